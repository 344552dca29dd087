import { pack, type HalfDtype } from '@esparse/kernels';
import { packedShapes, type PackedLinear } from './packed-linear.ts';
import type { Pattern } from './pattern.ts';

/** A dense linear as the checkpoint stores it. */
export interface DenseLinear {
  readonly dtype: HalfDtype;
  /** (rows, cols), in the original channel order. */
  readonly weights: Uint16Array;
  readonly rows: number;
  readonly cols: number;
}

/**
 * Packs the weights that a mask keeps, unmodified. 2:4 comes to 56.25 % of the dense bytes where the rows are
 * a multiple of 16.
 *
 * @param mask bits in the shuffled order, as `maskLinear` makes them: a kept weight may be zero
 * @throws EsparseError 'usage' where the mask does not keep exactly N of every M
 */
export async function packLinear(
  linear: DenseLinear,
  permutation: Int32Array,
  mask: Uint8Array,
  pattern: Pattern,
): Promise<PackedLinear> {
  const { dtype, weights, rows, cols } = linear;
  const { encoding, tileRows } = packedShapes(pattern, rows, cols);
  const arrays = await pack(weights, rows, cols, permutation, mask, pattern.keep, pattern.group);
  return { encoding, dtype, rows, cols, pattern, tileRows, ...arrays, permutation };
}
