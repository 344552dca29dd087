import type { Pattern } from '../pattern.ts';
import type { Survivors } from './integer-weights.ts';

/** A linear whose mask is known weight by weight. */
interface MaskedShape {
  readonly rows: number;
  readonly cols: number;
  readonly pattern: Pattern;
  readonly permutation: Int32Array;
}

/**
 * What survives of a linear, from a mask in the original order of channels.
 *
 * @param kept (rows, cols): 1 where a weight survives, as `keptIn` gives it
 */
export function survivorsOf(kept: Uint8Array, { rows, cols, pattern, permutation }: MaskedShape): Survivors {
  const rowBytes = Math.ceil(cols / 8);
  const mask = new Uint8Array(rows * rowBytes);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      if (kept[r * cols + permutation[i]!] === 1) mask[r * rowBytes + (i >> 3)]! |= 1 << (i & 7);
    }
  }
  return { pattern, permutation, mask };
}
