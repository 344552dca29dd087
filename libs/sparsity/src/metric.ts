import type { HalfDtype } from '@esparse/kernels';
import type { Readings, StatisticReaders } from '@esparse/statistics';

/** One linear, and what is known of the tap that feeds it. */
export interface MetricInput<Statistics = Readonly<Record<string, unknown>>> {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: HalfDtype;
  /** (rows, cols), as the bits that the checkpoint stores. */
  readonly weights: Uint16Array;
  /** The readings that were asked for, by name. */
  readonly statistics: Statistics;
}

/**
 * A measure of the importance of each weight. Built-ins and plug-ins are the same kind of thing.
 *
 * Law: `score` returns (rows, cols) f32, finite and not negative, that depends on nothing but its input.
 */
export interface Metric<Needs extends StatisticReaders = StatisticReaders> {
  /** Unique among metrics, and part of a run's fingerprint together with the options it was made with. */
  readonly name: string;
  /** What `score` needs in `statistics`; nothing else is gathered. */
  readonly statistics: Needs;
  score(input: MetricInput<Readings<Needs>>): Promise<Float32Array>;
}
