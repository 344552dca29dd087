import type { Readings, StatisticReaders } from '@esparse/statistics';
import type { MetricInput } from './metric.ts';
import type { Pattern } from './pattern.ts';

/** One linear whose order and mask are chosen. */
export interface StageInput<Statistics = Readonly<Record<string, unknown>>> extends MetricInput<Statistics> {
  readonly pattern: Pattern;
  /** (cols): the original channel at each position. */
  readonly permutation: Int32Array;
  /** What survives: see `maskLinear`. */
  readonly mask: Uint8Array;
}

/** What a stage changes; what it leaves out stays. */
export interface StageResult {
  /** (rows, cols), as bits of the same dtype; only those of survivors are stored. */
  readonly weights?: Uint16Array;
  /** Another mask of the same pattern, in the same order. */
  readonly mask?: Uint8Array;
}

/** What a stage has at hand besides its input. */
export interface StageContext {
  readonly signal?: AbortSignal | undefined;
  /** Tells the user of something that is no error. */
  readonly note: (message: string) => void;
}

/**
 * A step between mask and pack, such as a reconstruction of the survivors.
 *
 * Law: the result depends on nothing but the input and what `numerics` names.
 */
export interface Stage<Needs extends StatisticReaders = StatisticReaders> {
  readonly name: string;
  /** What `run` needs in `statistics`; nothing else is gathered. */
  readonly statistics: Needs;
  run(input: StageInput<Readings<Needs>>, context: StageContext): Promise<StageResult>;
  /** What the bits depend on besides the input, such as a runtime: part of the run's fingerprint. @default nothing */
  numerics?(): Promise<string>;
  /** Lets go of what the stage holds, after the last linear. */
  release?(): Promise<void>;
}
