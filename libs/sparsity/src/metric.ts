import type { HalfDtype } from '@esparse/kernels';

/** A statistic of a tap that a metric may ask for: one number per channel. */
export type StatisticName = 'amplitude' | 'entropy';

/** One linear, and the statistics of the tap that feeds it. */
export interface MetricInput {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: HalfDtype;
  /** (rows, cols), as the bits that the checkpoint stores. */
  readonly weights: Uint16Array;
  /** Each (cols). */
  readonly statistics: {
    /** sqrt(mean over sequences of the sum of squares): the convention of Wanda. */
    readonly amplitude?: Float32Array;
    /** In nats. */
    readonly entropy?: Float32Array;
  };
}

/**
 * A measure of the importance of each weight. Built-ins and plug-ins are the same kind of thing.
 *
 * Law: `score` returns (rows, cols) f32, finite and not negative, that depends on nothing but its input.
 */
export interface Metric {
  /** Unique among metrics, and part of a run's fingerprint together with the options it was made with. */
  readonly name: string;
  /** What `score` needs in `statistics`; nothing else is gathered. */
  readonly statistics: readonly StatisticName[];
  score(input: MetricInput): Promise<Float32Array>;
}
