import { defer, from, lastValueFrom, mergeMap } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { resolveLocation, showLocation } from '@esparse/location';
import type { PruneOptions } from './options.ts';
import type { Preparation } from './prepare.ts';
import type { RunContext } from './run-context.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Stands for the run in calls that are made before it has a name. */
const NO_RUN = '0'.repeat(32);

/**
 * Opens the model on every worker: each must speak this protocol, see the very checkpoint that the pruner sees, and
 * compute like the others.
 *
 * @returns the numerics id that the workers share
 */
export async function openWorkers(
  { workers }: WorkerPool,
  { model, store, seqlen }: PruneOptions,
  { checkpoint }: Preparation,
  signal?: AbortSignal,
): Promise<string> {
  const target = {
    model: await resolveLocation(model),
    store: await resolveLocation(store),
    run: NO_RUN,
    seqlen,
  };
  const numerics = await Promise.all(
    workers.map(async (worker) => {
      await worker.describe(signal);
      const opened = await worker.openModel(target, signal);
      if (opened.modelDigest !== checkpoint.digest) {
        throw new EsparseError(
          'checkpoint',
          `worker ${worker.address} sees another model at ${showLocation(target.model)}`,
          {
            hint: 'give every worker the same checkpoint under the same path',
            context: { worker: worker.address },
          },
        );
      }
      return opened.numerics;
    }),
  );
  const [first = ''] = numerics;
  const other = numerics.findIndex((id) => id !== first);
  if (other > 0) {
    throw new EsparseError(
      'usage',
      `workers compute differently: ${workers[0]!.address} is ${first}, ${workers[other]!.address} is ${numerics[other]!}`,
      { hint: 'use workers of one runtime version and instruction set' },
    );
  }
  return first;
}

/** Embeds every shard's tokens: the hidden states before block 0. */
export async function openShards({ shards, pool, target }: RunContext, signal?: AbortSignal): Promise<void> {
  await lastValueFrom(
    from(shards).pipe(
      mergeMap(
        ({ index, sequences, tokens }) =>
          pool.run$((worker) =>
            defer(() => worker.openShard(target, { shard: index, sequences, tokens }, signal)),
          ),
        pool.workers.length,
      ),
      abortWith(signal),
    ),
  );
}
