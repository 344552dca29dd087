import { concatMap, lastValueFrom, type OperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import type { Partial, PartialState, ReadingContext, StatisticReaders } from '@esparse/statistics';
import { callOfStatistic, stateName } from './gatherer.ts';
import { guarded, type GuardOptions } from './guard.ts';
import type { TapReadings } from './linear.ts';

/** Takes the readings of every tap off the gathered states, which are let go: by tap, then by the readers' names. */
export function finishStatistics(
  taps: readonly string[],
  readers: StatisticReaders,
  { block, guard, ...context }: ReadingContext & { readonly block: number; readonly guard?: GuardOptions },
): OperatorFunction<Partial, ReadonlyMap<string, TapReadings>> {
  return concatMap(async ({ states }) => {
    const finished = new Map<string, TapReadings>();
    for (const tap of taps) {
      const readings: Record<string, unknown> = {};
      const used = new Set<PartialState>();
      for (const [name, { statistic, read }] of Object.entries(readers)) {
        const gathered = states.get(stateName(tap, statistic.name));
        if (gathered === undefined)
          throw new EsparseError('internal', `nothing was gathered of ${name} at tap ${tap}`);
        const call = callOfStatistic(statistic, block, tap);
        const reading$ = guarded(
          call,
          () => read(gathered.state, context),
          (reading) => reading,
          guard,
        );
        readings[name] = await lastValueFrom(reading$);
        used.add(gathered);
      }
      for (const { statistic, state } of used) statistic.dispose?.(state);
      finished.set(tap, readings);
    }
    return finished;
  });
}

/** Lets go of readings that hold more than the collector sees, such as parts of a file. */
export function releaseReadings(readers: StatisticReaders, readings: ReadonlyMap<string, TapReadings>): void {
  for (const tapReadings of readings.values()) {
    for (const [name, reading] of Object.entries(tapReadings)) readers[name]?.release?.(reading);
  }
}
