import { EsparseError } from '@esparse/errors';
import { packedLayout, TILE_ROWS, type PackedLayout } from './packed-layout.ts';

/** Bits of a quantized weight. */
export type QuantizedBits = 4 | 8;

/**
 * Survivors as small integers with a scale: the layout that the kernels of quantized linears walk. Where they stand is
 * said as in `PackedLayout`; of a matrix that is not pruned, which is 1:1 here, nothing is said.
 *
 * Tiles of 16 rows. A row's survivors follow each other in the order of groups, then of positions, and are taken in pairs
 * (2p, 2p + 1); `codes` is [tile][pair][row of the tile], each two signed bytes or, of 4 bits, one byte whose lower half is
 * the first code and whose upper half is the second. A code c of 8 bits stands for c, one of 4 bits for c - 8. The weight is
 * that number times a scale.
 *
 * A scale is a bf16, finite and not zero, of the survivors of `span` consecutive groups of a row: `scales` is
 * [tile][span][row of the tile]. The last span of a row may be shorter.
 */
export interface QuantizedLayout {
  /** Where the survivors stand; undefined where all weights do. */
  readonly packed: PackedLayout | undefined;
  readonly tiles: number;
  readonly groups: number;
  /** Pairs of survivors of a row: an odd last one is half of one. */
  readonly pairs: number;
  /** Bytes of a pair of a tile. */
  readonly pairBytes: number;
  /** Spans of a row. */
  readonly spans: number;
}

/** Survivors that may share a scale: sums of their products with 16-bit integers are exact in 32 bits. */
export const MAX_SPAN_SURVIVORS = 512;

/** The shape of a quantized matrix. */
export interface QuantizedShape {
  readonly rows: number;
  readonly cols: number;
  /** Equal to `group`, both 1, where nothing is pruned. */
  readonly keep: number;
  readonly group: number;
  readonly bits: QuantizedBits;
  /** Groups whose survivors share a scale. */
  readonly span: number;
}

/** The layout of a (rows, cols) matrix, whose pattern is sound. @throws EsparseError 'store' for a span that no matrix has */
export function quantizedLayout({ rows, cols, keep, group, bits, span }: QuantizedShape): QuantizedLayout {
  const packed = group === 1 ? undefined : packedLayout(rows, cols, keep, group);
  if (!isSpan(span, keep, group)) {
    throw new EsparseError(
      'store',
      `a scale for every ${span} groups of ${keep}:${group}: survivors and inputs must be even, at most ${MAX_SPAN_SURVIVORS} survivors`,
    );
  }
  const groups = cols / group;
  return {
    packed,
    tiles: Math.ceil(rows / TILE_ROWS),
    groups,
    pairs: Math.ceil((groups * keep) / 2),
    pairBytes: (TILE_ROWS * 2 * bits) / 8,
    spans: Math.ceil(groups / span),
  };
}

function isSpan(span: number, keep: number, group: number): boolean {
  const [survivors, inputs] = [span * keep, span * group];
  return (
    Number.isInteger(span) &&
    span >= 1 &&
    survivors <= MAX_SPAN_SURVIVORS &&
    survivors % 2 === 0 &&
    inputs % 2 === 0
  );
}

/** As many groups as have at most so many survivors, at least one: an even number where a span needs it. */
export function spanOf(keep: number, group: number, survivors: number): number {
  const most = Math.max(1, Math.floor(Math.min(survivors, MAX_SPAN_SURVIVORS) / keep));
  if (most % 2 === 0 || (keep % 2 === 0 && group % 2 === 0)) return most;
  return most === 1 ? 2 : most - 1;
}
