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
  /** Sequences of the calibration that are used, held-out ones among them: the first. @default all */
  readonly samples?: number | undefined;
}
