import { finalize, from, lastValueFrom, mergeMap, tap } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import { attempt$ } from './attempt.ts';
import { denseShards } from './hidden-states.ts';
import { ADVANCE } from './operators/names.ts';
import type { RunContext } from './run-context.ts';

/** How workers take hidden states over a block: with its pruned weights, or those of the dense model with its dense ones. */
type Advance = 'advanceShard' | 'advanceDenseShard';

/**
 * Runs a committed block with its pruned weights over all shards: their hidden states before the next block. Where the dense
 * model's are needed, too, by a statistic or for figures, these come first: workers still have the block's dense weights.
 */
export async function advanceBlock(context: RunContext, block: number, signal?: AbortSignal): Promise<void> {
  const { pool, target, options, stopwatch, meter, emit } = context;
  const advances: (readonly [Advance, RunContext['shards']])[] = [
    ['advanceDenseShard', denseShards(context)],
    ['advanceShard', context.shards],
  ];
  const sequences = advances.flatMap(([, shards]) => shards).reduce((sum, shard) => sum + shard.sequences, 0);
  const total = sequences * options.seqlen;
  let done = 0;
  for (const [advance, shards] of advances) {
    if (shards.length === 0) continue;
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
