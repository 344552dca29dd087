import { finalize, lastValueFrom, tap } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import type { WorkerConnection } from '@esparse/protocol';
import { eachShard$ } from './each-shard.ts';
import { denseShards } from './hidden-states.ts';
import { ADVANCE } from './operators/names.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';

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
    const work = {
      kind: 'advance',
      block,
      call: (worker: WorkerConnection, { index }: Shard, cancelled: AbortSignal) =>
        worker[advance](target, block, index, cancelled),
    };
    await lastValueFrom(
      eachShard$(context, shards, work).pipe(
        tap((advanced) => {
          const size = advanced.reduce((sum, shard) => sum + shard.sequences * options.seqlen, 0);
          done += size;
          meter.done(ADVANCE, size);
          meter.queue(ADVANCE, -advanced.length);
          const workers = pool.ready;
          emit({ event: 'progress', block, phase: 'advance', done, total, unit: 'tokens', workers });
        }),
        stopwatch.measure('advance'),
        finalize(end),
        abortWith(signal),
      ),
    );
  }
}
