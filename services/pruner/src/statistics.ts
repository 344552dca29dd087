import type { StatisticReader } from '@esparse/dataflow';
import type { Metric, StatisticName } from '@esparse/sparsity';
import {
  amplitude,
  amplitudeOf,
  entropy,
  entropyOf,
  type AmplitudeState,
  type EntropyState,
} from '@esparse/statistics';
import type { PruneOptions } from './options.ts';

/** The statistics by the names that metrics ask for, read with the run's options. A reader gets its own states only. */
const READERS: Readonly<Record<StatisticName, (options: PruneOptions) => StatisticReader>> = {
  amplitude: ({ samples }) => ({
    statistic: amplitude,
    read: (state) => Promise.resolve(amplitudeOf(state as AmplitudeState, samples)),
  }),
  entropy: ({ bins, entropyRange }) => ({
    statistic: entropy,
    read: (state) => entropyOf(state as EntropyState, { bins, range: entropyRange }),
  }),
};

/** The statistics that a metric needs, and no others. */
export function statisticsOf(
  metric: Metric,
  options: PruneOptions,
): ReadonlyMap<StatisticName, StatisticReader> {
  return new Map(metric.statistics.map((name) => [name, READERS[name](options)]));
}
