import { finalize, from, lastValueFrom, mergeMap, tap } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import { attempt$ } from './attempt.ts';
import { ADVANCE } from './operators/names.ts';
import type { RunContext } from './run-context.ts';

/** How workers take hidden states over a block: with its pruned weights, or those of the dense model with its dense ones. */
type Advance = 'advanceShard' | 'advanceDenseShard';

/**
 * Runs a committed block with its pruned weights over all shards: their hidden states before the next block. Where a
 * statistic needs the dense model's, too, these come first: workers still have the block's dense weights.
 */
export async function advanceBlock(context: RunContext, block: number, signal?: AbortSignal): Promise<void> {
  const { shards, pool, target, options, needsDense, stopwatch, meter, emit } = context;
  const advances: Advance[] = needsDense ? ['advanceDenseShard', 'advanceShard'] : ['advanceShard'];
  const total = advances.length * shards.reduce((sum, { sequences }) => sum + sequences * options.seqlen, 0);
  let done = 0;
  for (const advance of advances) {
    const end = meter.busy(ADVANCE);
    meter.queue(ADVANCE, shards.length);
    await lastValueFrom(
      from(shards).pipe(
        // The pool bounds what is under way.
        mergeMap((shard) => {
          const size = shard.sequences * options.seqlen;
          return pool
            .run$({
              kind: 'advance',
              size,
              ids: { block, shards: [shard.index] },
              run$: (worker) =>
                attempt$((cancelled) => worker[advance](target, block, shard.index, cancelled)),
            })
            .pipe(
              tap(() => {
                done += size;
                meter.done(ADVANCE, size);
                meter.queue(ADVANCE, -1);
                const workers = pool.ready;
                emit({ event: 'progress', block, phase: 'advance', done, total, unit: 'tokens', workers });
              }),
            );
        }),
        stopwatch.measure('advance'),
        finalize(end),
        abortWith(signal),
      ),
    );
  }
}
