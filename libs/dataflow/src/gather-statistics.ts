import {
  catchError,
  concat,
  concatMap,
  defer,
  finalize,
  ignoreElements,
  of,
  type OperatorFunction,
} from 'rxjs';
import type { StatisticSketch } from '@esparse/statistics';
import { createGatherer, type GatherOptions, type TapTile } from './gatherer.ts';
import type { Leased } from './leased.ts';

/**
 * Folds a shard's tiles into statistics, tap by tap, and releases each tile once it is counted. Emits once, when the
 * stream completes. A shard whose stream fails, or is unsubscribed from, counts for nothing: its states are disposed of,
 * and where that fails, its error takes the place of the stream's.
 */
export function gatherStatistics(options: GatherOptions): OperatorFunction<Leased<TapTile>, StatisticSketch> {
  return (tiles$) =>
    defer(() => {
      const gatherer = createGatherer(options);
      let given = false;
      const dispose = async () => {
        if (given) return;
        given = true;
        await gatherer.dispose();
      };
      const all$ = tiles$.pipe(
        concatMap(async ({ value: tile, release }) => {
          await gatherer.add(tile);
          release();
        }),
        ignoreElements(),
      );
      return concat(
        all$,
        defer(() => {
          given = true;
          return of(gatherer.sketch());
        }),
      ).pipe(
        catchError(async (error: unknown) => {
          await dispose();
          throw error;
        }),
        finalize(() => {
          // Unsubscribed: an error has no subscriber.
          dispose().catch(() => undefined);
        }),
      );
    });
}
