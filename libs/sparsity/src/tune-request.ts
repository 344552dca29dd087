import type { RoundingOptions } from './quantization/integer-weights.ts';

/** How a block is tuned: see the stage `tune`, which has these as its options. */
export interface TuneRequest {
  /** Steps of gradient descent at most. */
  readonly steps: number;
  /** Of the first step. */
  readonly learningRate: number;
  /** Sequences of a step. */
  readonly batch: number;
  /** Share of the dense model's own output in the target: the rest is the dense block's on the pruned inputs. */
  readonly dense: number;
  /** Share of the sequences that is not tuned on, and decides when to stop. */
  readonly heldOut: number;
  /**
   * Of an 'absolute' loss tokens with large hidden states are most; of a 'relative' one each token's error counts as a part of its
   * target's mean square, which is about what the next block's norm makes of it. @default 'absolute'
   */
  readonly loss?: 'absolute' | 'relative' | undefined;
  /** Sequences of the calibration that are used, held-out ones among them: the first. @default all */
  readonly samples?: number | undefined;
  /**
   * What some linears are stored as: the block is run with their survivors rounded so, while what the rounding takes is still
   * learnt (straight through it). What comes back are the weights before they are rounded. @default none are
   */
  readonly rounding?: TuneRounding | undefined;
}

/** How survivors of linears are rounded while they are tuned. */
export interface TuneRounding extends Required<RoundingOptions> {
  /** The names of the linears; others stay 16-bit floats. */
  readonly linears: readonly string[];
}
