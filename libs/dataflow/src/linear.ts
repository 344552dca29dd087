import type {
  IntegerWeights,
  Metric,
  PackedLinear,
  Pattern,
  ScoreMatrix,
  ShuffleResult,
  StoredLinear,
} from '@esparse/sparsity';
import type { InferenceKernels } from '@esparse/kernels';
import type { RowSample } from '@esparse/statistics';
import type { TapReadings } from './readings.ts';

/** The dtype of weights as a checkpoint stores them. */
type HalfDtype = PackedLinear['dtype'];

/** A linear that is about to be pruned. */
export interface LinearJob {
  readonly block: number;
  /** Its name within the block, such as `q_proj`. */
  readonly name: string;
  /** The tap that feeds it. */
  readonly tap: string;
  readonly rows: number;
  readonly cols: number;
  /** What it is pruned to: linears of one block may differ. */
  readonly pattern: Pattern;
  /** Which orders of its inputs can be folded into the linears before. @default all */
  readonly reach?: ScoreMatrix['reach'];
  /** What is known of its input; only what metric and stages ask for is there. */
  readonly readings: TapReadings;
}

/** With its weights, rows x cols, as the checkpoint stores them, in memory of their own, which `pack` frees. */
export interface LoadedLinear extends LinearJob {
  readonly dtype: HalfDtype;
  readonly weights: Uint16Array;
  /** For a report. @default none are taken, or no inputs are known */
  readonly outputs?: ComparedOutputs;
}

/** With the importance of each weight, rows x cols, in memory of their own. */
export interface ScoredLinear extends LoadedLinear {
  readonly scores: Awaited<ReturnType<Metric['score']>>;
}

/** With the input order in which its groups are formed. */
export interface ShuffledLinear extends ScoredLinear {
  readonly order: ShuffleResult;
}

/** With its mask: a bit a weight, in the shuffled order. */
export interface MaskedLinear extends Omit<ShuffledLinear, 'scores'> {
  /** Undefined where only a device had them. */
  readonly scores: Float32Array | undefined;
  readonly mask: Uint8Array;
  /** For a report. @default none are taken */
  readonly scoreFigures?: ScoreFigures;
  /** Its survivors as integers, once a stage has made them. */
  readonly integers?: IntegerWeights;
}

/** Some inputs of a linear, and what its weights make of them: (inputs, rows). */
export interface ComparedOutputs {
  readonly kernels: InferenceKernels;
  readonly inputs: RowSample;
  readonly dense: Float32Array;
  /** Of the pruned ones. @default they are multiplied once they are packed */
  readonly sparse?: Float32Array;
}

/** What a report shows of a linear beside what is stored of it anyway. */
export interface LinearFigures {
  /** Where they are wanted. */
  readonly scores?: ScoreFigures;
  /** ‖XW − XŴ‖ / ‖XW‖ on some rows of the calibration; absent where no inputs are known. */
  readonly outputError?: number;
}

/** Of all scores of a linear, of those that are kept and of those that are lost. */
export interface ScoreFigures {
  /** Their sum. */
  readonly total: number;
  /** The mean score of each channel, (cols), in the original order. */
  readonly mean: Float32Array;
}

/** Packed: what is committed. Its weights, scores and mask are freed. */
export interface PrunedLinear {
  readonly job: LinearJob;
  readonly packed: StoredLinear;
  /** Kept score in the original order, and in the shuffled one. */
  readonly keptBefore: number;
  readonly keptAfter: number;
  /** For a report. @default none are taken */
  readonly figures?: LinearFigures;
}
