import type { EntropyReading } from '@esparse/statistics';
import type { Metric, Stage } from '@esparse/sparsity';

/** The shuffles of a pipeline, by name. */
export type ShuffleName = 'none' | 'global' | 'local' | 'both' | 'lsa';

/** What a user may set about a metric; each pipeline takes what it knows and ignores the rest. */
export interface MetricOptions extends EntropyReading {
  /** Weight of the amplitude against the entropy in the E-Sparse score. */
  readonly alpha: number;
}

/** A way to prune: the same stream for all, with another score, another default order and other stages. */
export interface Pipeline {
  /** As `--pipeline` takes it. */
  readonly name: string;
  /** One line for a list of pipelines. */
  readonly summary: string;
  /** Part of a run's fingerprint: raised when the same options give other weights. */
  readonly version: number;
  /** The shuffle where the user names none: the one of the paper. */
  readonly shuffle: ShuffleName;
  metric(options: MetricOptions): Metric;
  /** Steps between mask and pack, in their order. @default none */
  stages?(): readonly Stage[];
  /** The metric options that matter to this pipeline, for the fingerprint and the store. */
  describe(options: MetricOptions): Readonly<Record<string, number>>;
}
