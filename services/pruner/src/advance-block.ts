import { from, lastValueFrom, mergeMap, tap } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import { attempt$ } from './attempt.ts';
import type { RunContext } from './run-context.ts';

/** Runs a committed block with its pruned weights over all shards: their hidden states before the next block. */
export async function advanceBlock(context: RunContext, block: number, signal?: AbortSignal): Promise<void> {
  const { shards, pool, target, options, stopwatch, emit } = context;
  const total = shards.reduce((sum, { sequences }) => sum + sequences * options.seqlen, 0);
  let done = 0;
  await lastValueFrom(
    from(shards).pipe(
      // The pool bounds what is under way.
      mergeMap((shard) => {
        const size = shard.sequences * options.seqlen;
        return pool
          .run$({
            kind: 'advance',
            size,
            of: { block, shards: [shard.index] },
            run$: (worker) =>
              attempt$((cancelled) => worker.advanceShard(target, block, shard.index, cancelled)),
          })
          .pipe(
            tap(() => {
              done += size;
              emit({ event: 'progress', block, phase: 'advance', done, total, unit: 'tokens' });
            }),
          );
      }),
      stopwatch.measure('advance'),
      abortWith(signal),
    ),
  );
}
