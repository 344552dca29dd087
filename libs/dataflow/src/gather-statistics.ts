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
 * Folds a shard's tiles into statistics, tap by tap, and gives each tile back once it is counted. Emits once, when
 * the stream completes: a shard whose stream breaks off, or that nobody waits for any more, counts for nothing, and its
 * states are let go. Where a statistic cannot do that, its error is told instead of the stream's.
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
          // Unsubscribed: nobody is there to be told of an error.
          dispose().catch(() => undefined);
        }),
      );
    });
}
