import { EsparseError } from '@esparse/errors';
import type { Metric, Stage } from '@esparse/sparsity';
import { STATISTICS, type AnyStatistic, type StatisticReaders } from '@esparse/statistics';
import type { PruneOptions } from './options.ts';

/**
 * What metric and stages need, by their names for it, and nothing else.
 *
 * @throws EsparseError 'usage' where two of them mean different statistics by one name, or where workers are to gather
 * one that they do not know
 */
export function readersOf(
  metric: Metric,
  stages: readonly Stage[],
  { combine }: Pick<PruneOptions, 'combine'>,
): StatisticReaders {
  const readers: Record<string, StatisticReaders[string]> = {};
  for (const { name: who, statistics } of [metric, ...stages]) {
    for (const [name, reader] of Object.entries(statistics)) {
      const { statistic } = (readers[name] ??= reader);
      if (statistic.name !== reader.statistic.name) {
        throw new EsparseError(
          'usage',
          `${who} means the statistic ${reader.statistic.name} by ${name}, which is ${statistic.name} already`,
        );
      }
      if (combine === 'worker' && STATISTICS.get(statistic.name) === undefined) {
        throw new EsparseError('usage', `workers cannot gather the statistic ${statistic.name} of ${who}`, {
          hint: 'leave out --combine worker with this pipeline',
        });
      }
    }
  }
  return readers;
}

/** The statistics behind readers, each once. */
export function statisticsOf(readers: StatisticReaders): AnyStatistic[] {
  return [...new Map(Object.values(readers).map(({ statistic }) => [statistic.name, statistic])).values()];
}
