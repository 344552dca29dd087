import { addon } from '../addon.ts';
import { checkShuffledMatrix } from '../runtime/shuffled-matrix.ts';

/**
 * The N:M mask: in every row, the `keep` largest scores of each group of `group` consecutive positions of
 * `permutation`. Of equal scores the one of the lower original channel is kept.
 *
 * @param scores (rows, cols), free of NaN
 * @returns bits in the shuffled order, row-major: position i of row r is bit i & 7 of byte
 * r * ceil(cols / 8) + (i >> 3)
 */
export async function maskOf(
  scores: Float32Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): Promise<Uint8Array> {
  checkShuffledMatrix('scores', scores.length, rows, cols, permutation, keep, group);
  const native = addon();
  if (native === null) return maskOfReference(scores, rows, cols, permutation, keep, group);
  const out = new Uint8Array(rows * maskRowBytes(cols));
  await native.maskOf({ scores, rows, cols, permutation, keep, group, out });
  return out;
}

/** The bytes of one row of a mask. */
export function maskRowBytes(cols: number): number {
  return Math.ceil(cols / 8);
}

/** The readable version of `maskOf`. */
export function maskOfReference(
  scores: Float32Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): Uint8Array {
  const rowBytes = maskRowBytes(cols);
  const mask = new Uint8Array(rows * rowBytes);
  for (let r = 0; r < rows; r++) {
    const scoreAt = (position: number) => scores[r * cols + permutation[position]!]!;
    for (let first = 0; first < cols; first += group) {
      const positions = Array.from({ length: group }, (_, m) => first + m);
      positions.sort((a, b) => scoreAt(b) - scoreAt(a) || permutation[a]! - permutation[b]!);
      for (const i of positions.slice(0, keep)) mask[r * rowBytes + (i >> 3)]! |= 1 << (i & 7);
    }
  }
  return mask;
}
