import { concatMap, lastValueFrom, type OperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import type { StatisticSketch, SketchState, ReadingContext, StatisticReader } from '@esparse/statistics';
import { callOfStatistic, stateName } from './gatherer.ts';
import { guarded, type GuardOptions } from './guard.ts';
import { disposeStates } from './dispose-states.ts';
import type { TapReadings } from './readings.ts';

/** Reads every tap from its gathered states, which are disposed of: readings by tap, then by reader. */
export function finishStatistics(
  taps: readonly string[],
  readers: Iterable<StatisticReader>,
  { block, guard, ...context }: ReadingContext & { readonly block: number; readonly guard?: GuardOptions },
): OperatorFunction<StatisticSketch, ReadonlyMap<string, TapReadings>> {
  return concatMap(async ({ states }) => {
    const finished = new Map<string, TapReadings>();
    for (const tap of taps) {
      const readings = new Map<StatisticReader, unknown>();
      const used = new Map<string, SketchState>();
      for (const reader of readers) {
        const { statistic } = reader;
        const name = stateName(tap, statistic.name);
        const gathered = states.get(name);
        if (gathered === undefined)
          throw new EsparseError('internal', `nothing was gathered of ${statistic.name} at tap ${tap}`);
        const call = callOfStatistic(statistic, block, tap);
        const reading$ = guarded(
          call,
          () => reader.read(gathered.state, context),
          (reading) => reading,
          guard,
        );
        readings.set(reader, await lastValueFrom(reading$));
        used.set(name, gathered);
      }
      await disposeStates(used, guard);
      finished.set(tap, readings);
    }
    return finished;
  });
}
