/** What the page shows. Numbers by the channel lie in an attachment beside it: see `Numbers`. */
export interface ReportData {
  /** The version of esparse that wrote it. */
  readonly esparse: string;
  /** What it is called: the model's folder, or its family. */
  readonly title: string;
  /** What the pictures show, in sentences. */
  readonly summary: readonly string[];
  /** Of the head: model, options, sizes, times. */
  readonly facts: readonly Fact[];
  /** What the page could show and the store does not have, and how to get it. */
  readonly missing: readonly Missing[];
  /** Every block of the model, committed or not. */
  readonly blocks: readonly BlockData[];
  /** How the score of a weight follows from its channel: what the page ranks channels by. */
  readonly importance: ChannelImportance;
  /** Bits a weight against perplexity and speed; empty where nothing is measured or given. */
  readonly frontier: readonly FrontierPoint[];
  /** Pieces of the calibration, each about a token; absent where no channel has any. */
  readonly excerpts?: readonly Excerpt[];
  /** What one token costs this machine at least; absent where it was not measured. */
  readonly roofline?: Roofline;
}

/** A line of the head. */
export interface Fact {
  readonly group: FactGroup;
  readonly name: string;
  readonly value: string;
}

/** The tables of the head, in their order. */
export const FACT_GROUPS = ['Model', 'Pruning', 'Size', 'Run'] as const;
export type FactGroup = (typeof FACT_GROUPS)[number];

export interface Missing {
  readonly what: string;
  readonly how: string;
}

export interface BlockData {
  /** Counted from 0. */
  readonly block: number;
  readonly state: 'committed' | 'not committed' | 'damaged';
  /** How far what reaches it is from what reaches it in the dense model, ‖X − X̂‖ / ‖X‖; absent where that was not recorded. */
  readonly inputError?: number;
  readonly linears: readonly LinearData[];
  readonly taps: readonly TapData[];
}

export interface LinearData {
  readonly name: string;
  readonly tap: string;
  readonly rows: number;
  readonly cols: number;
  /** Absent where the linear was left dense. */
  readonly pattern?: { readonly keep: number; readonly group: number };
  /** Values and indices, or the dense matrix. */
  readonly bytes: number;
  readonly permutationBytes: number;
  /** Sums of the scores that the pattern keeps: in the original order of channels, and in the shuffled one. */
  readonly keptScore?: { readonly before: number; readonly after: number };
  /** Sum of all scores; absent where the run did not record it. */
  readonly totalScore?: number;
  /** ‖XW − XŴ‖ / ‖XW‖ on rows of the calibration; absent where the run did not record it. */
  readonly outputError?: number;
  /** The share of each channel's weights that are kept, from 0 to 1, in the original order. */
  readonly keptShare?: Numbers;
  /** permutation[i] is the original channel at position i. */
  readonly permutation?: Numbers;
  /** The mean score of each channel, in the original order; absent where the run did not record it. */
  readonly meanScore?: Numbers;
  readonly mask?: MaskRows;
}

/** Rows of a mask: all of them, or some that are spread over the linear. */
export interface MaskRows {
  /** In tiles of 16, of which each begins at a row that is given here. */
  readonly tiles: readonly number[];
  /** Bits, a row after the other: position i of a row is bit i & 7 of its byte i >> 3; rows begin at a byte. */
  readonly bits: Numbers;
}

/** The input of one or more linears. */
export interface TapData {
  readonly name: string;
  readonly channels: number;
  /** In nats. */
  readonly entropy?: Numbers;
  readonly amplitude?: Numbers;
  /** Channels that have more; absent where the run did not record it. */
  readonly shown?: ShownChannels;
}

/** Some channels of a tap, or all, with what a channel's page shows of them. */
export interface ShownChannels {
  /** (n), ascending. */
  readonly channels: Numbers;
  /** How their values are spread over equal bins from the least to the greatest. */
  readonly histogram?: {
    readonly bins: number;
    /** (n, bins): each bin as a share of the fullest one of its channel, in 1/255. */
    readonly shares: Numbers;
    /** (n) */
    readonly low: Numbers;
    readonly high: Numbers;
  };
  /** The tokens of the calibration at which they are the largest. */
  readonly top?: {
    readonly each: number;
    /** (n, each): indices of the report's excerpts, -1 where there is none. */
    readonly excerpts: Numbers;
    /** (n, each) */
    readonly values: Numbers;
  };
}

/** A token of the calibration, with what stands around it. */
export type Excerpt = readonly [before: string, token: string, after: string];

/**
 * Numbers in the attachment: `length` of them from byte `at`, little-endian. Levels stand for numbers from `low` to `high` in
 * equal steps, or, where `log` says so, for powers of e with exponents in equal steps; level 0 of these is 0.
 */
export type Numbers = { readonly at: number; readonly length: number } & (
  | { readonly as: 'u8' | 'u16' | 'i32' | 'f32' }
  | { readonly as: 'levels'; readonly low: number; readonly high: number; readonly log: boolean }
);

/** The largest level. */
export const MAX_LEVEL = 0xffff;

/** A weight's score is |w| times this of its channel. */
export type ChannelImportance =
  | { readonly by: 'entropy and amplitude'; readonly alpha: number }
  | { readonly by: 'amplitude'; readonly exponent: number }
  | { readonly by: 'weights' };

/** A model on the picture of size against quality. */
export interface FrontierPoint {
  readonly name: string;
  readonly kind: 'this' | 'compared' | 'given';
  /** Of the linears of all blocks, indices and orders counted. */
  readonly bitsPerWeight: number;
  readonly perplexity?: number;
  /** While one sequence is decoded. */
  readonly tokensPerSecond?: number;
}

/** Decoding reads every weight once a token: memory bounds its speed. */
export interface Roofline {
  /** Read from memory, in bytes a second, by all processors. */
  readonly bandwidth: number;
  /** Weights of the linears of all blocks. */
  readonly weights: number;
  /** Bytes that a token reads besides: the head. */
  readonly otherBytes: number;
}
