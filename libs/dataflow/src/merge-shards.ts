import { concat, concatMap, defer, ignoreElements, of, type OperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import type { BlockStatistics } from './block-statistics.ts';

/**
 * Merges the statistics of shards into those of all of them; emits once, when the last is in. The order in which they
 * come does not matter. A shard that comes twice is an error: it would count twice.
 */
export function mergeShards(): OperatorFunction<BlockStatistics, BlockStatistics> {
  return (shards$) =>
    defer(() => {
      let merged: BlockStatistics | undefined;
      const all$ = shards$.pipe(
        concatMap(async (next) => {
          merged = merged === undefined ? next : await mergeStatistics(merged, next);
        }),
        ignoreElements(),
      );
      return concat(
        all$,
        defer(() => (merged === undefined ? of() : of(merged))),
      );
    });
}

async function mergeStatistics(into: BlockStatistics, from: BlockStatistics): Promise<BlockStatistics> {
  const twice = [...from.shards].find((shard) => into.shards.has(shard));
  if (twice !== undefined) throw new EsparseError('internal', `shard ${twice} would count twice`);
  for (const [tap, states] of into.taps) {
    for (const [statistic, state] of states) await statistic.merge(state, from.taps.get(tap)?.get(statistic));
  }
  return { shards: new Set([...into.shards, ...from.shards]), taps: into.taps };
}
