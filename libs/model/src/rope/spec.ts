/**
 * A rotary position embedding, with the names of Hugging Face's `rope_scaling` / `rope_parameters`. Frequencies are
 * computed from it by `ropeTables`.
 */
export type RopeSpec = RopeBase & RopeScaling;

interface RopeBase {
  /** Channels of a head that are rotated, the first ones: all of them, or a part (`partial_rotary_factor`). Even. */
  readonly channels: number;
  /** `rope_theta`. */
  readonly theta: number;
}

/** How frequencies change to reach beyond the positions that a model was trained on; not at all for `default`. */
export type RopeScaling =
  | { readonly type: 'default' }
  /** Positions divided by `factor`. */
  | { readonly type: 'linear'; readonly factor: number }
  /** NTK-aware: θ grows with the length of the sequence once it exceeds `original` positions. */
  | { readonly type: 'dynamic'; readonly factor: number; readonly original: number }
  /** LLaMA 3.1: long waves divided by `factor`, short ones kept, a smooth passage between. */
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly original: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
    }
  /**
   * LongRoPE (arXiv 2402.13753): a factor for each frequency, of one list up to `original` positions and of another beyond
   * them, and a scale on cos and sin.
   */
  | {
      readonly type: 'longrope';
      readonly original: number;
      /** (channels / 2) each. */
      readonly shortFactors: readonly number[];
      readonly longFactors: readonly number[];
      readonly attentionFactor: number;
    }
  /** YaRN (arXiv 2309.00071): a ramp over channels from extrapolation to interpolation, and a scale on cos and sin. */
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly original: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly truncate: boolean;
      readonly attentionFactor: number;
    };
