import { EsparseError } from '@esparse/errors';
import type { AnyStatistic, StatisticReader, StatisticReaders } from '@esparse/statistics';

/** What was read off a tap's statistics, by reader. */
export type TapReadings = ReadonlyMap<StatisticReader, unknown>;

/** A metric or a stage, which has names of its own for what it needs. */
interface Part {
  readonly statistics: StatisticReaders;
}

/** What metric and stages need of each tap: a reader that several of them use is there once. */
export function readersOf(parts: readonly Part[]): ReadonlySet<StatisticReader> {
  return new Set(parts.flatMap(({ statistics }) => Object.values(statistics)));
}

/** The statistics behind readers, each once: of several of one name, which are the same, the first. */
export function statisticsOf(readers: Iterable<StatisticReader>): AnyStatistic[] {
  const statistics = new Map<string, AnyStatistic>();
  for (const { statistic } of readers) {
    if (!statistics.has(statistic.name)) statistics.set(statistic.name, statistic);
  }
  return [...statistics.values()];
}

/** What one of them gets, by its own names. */
export function readingsFor({ statistics }: Part, readings: TapReadings): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(statistics).map(([name, reader]) => {
      if (!readings.has(reader)) throw new EsparseError('internal', `nothing was read as ${name}`);
      return [name, readings.get(reader)];
    }),
  );
}

/** Releases readings that hold what no garbage collector frees, such as parts of a file. */
export function releaseReadings(readings: ReadonlyMap<string, TapReadings>): void {
  for (const tapReadings of readings.values()) {
    for (const [reader, reading] of tapReadings) reader.release?.(reading);
  }
}
