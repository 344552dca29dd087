import { foldedStatistics } from '@esparse/reconstruction';
import { STATISTICS, type AnyStatistic } from '@esparse/statistics';

/** What a worker can be asked to gather, by name: those that have pieces on devices that fold them only. */
export const WORKER_STATISTICS: ReadonlyMap<string, AnyStatistic> = new Map([
  ...STATISTICS,
  ...foldedStatistics.map((statistic) => [statistic.name, statistic] as const),
]);
