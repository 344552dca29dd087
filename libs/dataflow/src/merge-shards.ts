import { concat, concatMap, defer, ignoreElements, of, type OperatorFunction } from 'rxjs';
import { mergePartials, type Partial } from '@esparse/statistics';

/**
 * Merges the statistics of shards into those of all of them; emits once, when the last is in. The order in which they
 * come does not matter. A shard that comes twice is an error: it would count twice.
 */
export function mergeShards(): OperatorFunction<Partial, Partial> {
  return (shards$) =>
    defer(() => {
      let merged: Partial | undefined;
      const all$ = shards$.pipe(
        concatMap(async (next) => {
          if (merged === undefined) merged = next;
          else {
            merged = await mergePartials(merged, next);
            for (const { statistic, state } of next.states.values()) statistic.dispose?.(state);
          }
        }),
        ignoreElements(),
      );
      return concat(
        all$,
        defer(() => (merged === undefined ? of() : of(merged))),
      );
    });
}
