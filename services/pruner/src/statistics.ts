import type { AnyStatistic } from '@esparse/dataflow';
import type { Metric, StatisticName } from '@esparse/sparsity';
import { amplitude, entropy } from '@esparse/statistics';
import type { PruneOptions } from './options.ts';

/** The statistics by the names that metrics ask for, with the run's options. */
const STATISTICS: Readonly<Record<StatisticName, (options: PruneOptions) => AnyStatistic>> = {
  amplitude: ({ samples }) => amplitude({ sequences: samples }),
  entropy: ({ bins, entropyRange }) => entropy({ bins, range: entropyRange }),
};

/** The statistics that a metric needs, and no others. */
export function statisticsOf(metric: Metric, options: PruneOptions): AnyStatistic[] {
  return metric.statistics.map((name) => STATISTICS[name](options));
}
