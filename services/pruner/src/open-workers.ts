import { lastValueFrom } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { resolveLocation } from '@esparse/storage';
import { requireIdentity, type WorkerConnection } from '@esparse/protocol';
import { branchesOf } from '@esparse/model';
import { eachShard$ } from './each-shard.ts';
import type { RunEvent } from './events.ts';
import type { PruneOptions } from './options.ts';
import type { Preparation } from './prepare.ts';
import { noWorker } from './pool/no-worker.ts';
import { requireFittingBlocks, type StageBytes } from './require-fitting-blocks.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';
import type { WorkerPool } from './pool/worker-pool.ts';

/** Stands for the run in calls that are made before it has a name. */
const NO_RUN = '0'.repeat(32);

/** How long a run waits until all its workers are connected. Then one is enough to begin; the others may join later. */
const START_WAIT_MS = 10_000;
const LOOK_MS = 20;

/**
 * Opens the model on every connected worker: each must speak this protocol, see the very checkpoint that the
 * pruner sees, and compute like the others. Those that join later are checked with every call.
 *
 * @returns the numerics id that the workers share
 */
export async function openWorkers(
  pool: WorkerPool,
  { model, store, seqlen }: PruneOptions,
  { checkpoint, description }: Preparation,
  blocks: StageBytes,
  emit: (event: RunEvent) => void,
  signal?: AbortSignal,
): Promise<string> {
  const target = {
    model: await resolveLocation(model),
    store: await resolveLocation(store),
    run: NO_RUN,
    seqlen,
    modelDigest: checkpoint.digest,
    branches: branchesOf(description),
  };
  const opened = await Promise.all(
    (await workersThere(pool, emit, signal)).map(async (worker) => {
      requireFittingBlocks(blocks, await worker.describe(signal), worker.address);
      const { numerics, modelDigest } = await worker.openModel(target, signal);
      return { address: worker.address, numerics, modelDigest };
    }),
  );
  const [first] = opened;
  if (first === undefined) throw new EsparseError('internal', 'no worker was opened');
  for (const other of opened) requireIdentity(first, other, other.address);
  return first.numerics;
}

/** The connections that have a worker: all of them, or those that have one when the wait is over. */
async function workersThere(
  { workers }: WorkerPool,
  emit: (event: RunEvent) => void,
  signal?: AbortSignal,
): Promise<WorkerConnection[]> {
  const until = Date.now() + START_WAIT_MS;
  while (workers.some(({ ready }) => ready === 0) && Date.now() < until) {
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const there = workers.filter(({ ready }) => ready > 0);
  if (there.length === 0) throw noWorker(workers, START_WAIT_MS);
  for (const { address, ready } of workers) {
    if (ready === 0) emit({ event: 'note', message: `no worker can be reached at ${address} yet` });
  }
  return there;
}

/** Makes the states before the first block: workers embed tokens, what goes into a graph is written as it is. */
export async function openShards(context: RunContext, signal?: AbortSignal): Promise<void> {
  const { shards, target, writer } = context;
  for (const { index, states } of shards) {
    signal?.throwIfAborted();
    if (states !== undefined) await writer.run.hidden.write(0, index, states());
  }
  const embedded = shards.filter(({ states }) => states === undefined);
  const work = {
    kind: 'open',
    call: (
      worker: WorkerConnection,
      { index: shard, sequences, tokens }: Shard,
      cancelled: AbortSignal,
    ): Promise<void> => worker.openShard(target, { shard, sequences, tokens }, cancelled),
  };
  await lastValueFrom(eachShard$(context, embedded, work).pipe(abortWith(signal)), {
    defaultValue: undefined,
  });
}

/** Peak resident bytes of the connected workers, as their operating systems report them. */
export async function peaksOf({ workers }: WorkerPool): Promise<number[]> {
  // The least busy one is asked: as many calls at once reach all those behind a name.
  const asked = workers.flatMap((worker) => Array.from({ length: worker.ready }, () => worker.describe()));
  const replies = await Promise.allSettled(asked);
  return replies.flatMap((reply) => (reply.status === 'fulfilled' ? [reply.value.peakResidentBytes] : []));
}
