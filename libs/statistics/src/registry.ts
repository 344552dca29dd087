import { amplitude } from './amplitude.ts';
import { entropy } from './entropy.ts';
import { rowSample } from './row-sample.ts';
import type { AnyStatistic, StatisticParameters } from './statistic.ts';

/** Every statistic by its name: what a worker can be asked for. */
export const STATISTICS: ReadonlyMap<string, AnyStatistic> = new Map<string, AnyStatistic>(
  ([amplitude, entropy, rowSample] as AnyStatistic[]).map((statistic) => [statistic.name, statistic]),
);

/** Parameters as text: equal ones have the equal text. */
export function parametersText(parameters: StatisticParameters): string {
  return JSON.stringify(Object.fromEntries(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))));
}
