import { defer, from, lastValueFrom, mergeMap, tap } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import type { RunContext } from './run-context.ts';

/** Runs a committed block with its pruned weights over all shards: their hidden states before the next block. */
export async function advanceBlock(context: RunContext, block: number, signal?: AbortSignal): Promise<void> {
  const { shards, pool, target, options, stopwatch, emit } = context;
  const total = shards.reduce((sum, { sequences }) => sum + sequences * options.seqlen, 0);
  let done = 0;
  await lastValueFrom(
    from(shards).pipe(
      mergeMap(
        (shard) =>
          pool
            .run$((worker) => defer(() => worker.advanceShard(target, block, shard.index, signal)))
            .pipe(
              tap(() => {
                done += shard.sequences * options.seqlen;
                emit({ event: 'progress', block, phase: 'advance', done, total, unit: 'tokens' });
              }),
            ),
        pool.workers.length,
      ),
      stopwatch.measure('advance'),
      abortWith(signal),
    ),
  );
}
