import type { QuantizedBits } from '@esparse/kernels';
import type { Pattern } from '../pattern.ts';

/** A linear's weights as small integers, a scale for the survivors of each span: number times scale is the weight. */
export interface IntegerWeights {
  readonly bits: QuantizedBits;
  /** Groups of a row whose survivors share a scale; weights, where nothing is pruned. See `spanOf`. */
  readonly span: number;
  /** (rows, cols), in the original order of the channels: from -127, -8 or -4 on; only those of survivors count. */
  readonly integers: Int8Array;
  /** (rows, spans), as the bits of bf16: finite and not zero. */
  readonly scales: Uint16Array;
}

/** What survives of a linear. */
export interface Survivors {
  readonly pattern: Pattern;
  /** (cols): the original channel at each position. */
  readonly permutation: Int32Array;
  /** Bits in the shuffled order, as `maskLinear` makes them. */
  readonly mask: Uint8Array;
}

/** How survivors are rounded. */
export interface RoundingOptions {
  readonly bits: QuantizedBits;
  /** Survivors that share a scale, at most: as many whole groups as that. @default 32 */
  readonly group?: number | undefined;
}

/** Survivors that share a scale where nothing else is asked for. */
export const SCALE_GROUP = 32;

/** The pattern of a linear of which nothing is pruned. */
export const EVERYTHING = { keep: 1, group: 1 };
