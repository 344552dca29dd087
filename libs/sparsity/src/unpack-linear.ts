import { free, TILE_ROWS, unpack, unpackToF32 as unpackArraysToF32 } from '@esparse/kernels';
import { checkPackedLinear, type PackedLinear } from './packed-linear.ts';

/**
 * The dense weights (rows, cols) of a packed linear, in the original channel order, pruned ones zero. Kept
 * weights come back bit for bit.
 *
 * @throws EsparseError 'store' where sizes, permutation or indices are not what `packLinear` writes
 */
export async function unpackLinear(packed: PackedLinear): Promise<Uint16Array> {
  checkPackedLinear(packed);
  const { rows, cols, permutation, pattern } = packed;
  return unpack(packed, rows, cols, permutation, pattern.keep, pattern.group);
}

/** As `unpackLinear`, widened to f32 (exact) in the same pass: what the worker feeds to ONNX Runtime. */
export async function unpackToF32(packed: PackedLinear): Promise<Float32Array> {
  checkPackedLinear(packed);
  const { dtype, rows, cols, permutation, pattern } = packed;
  return unpackArraysToF32(dtype, packed, rows, cols, permutation, pattern.keep, pattern.group);
}

/**
 * Which weights of a packed linear are kept, (rows, cols) in the original channel order: 1 where kept, 0 where pruned. A
 * kept weight may be zero, so the values do not tell.
 *
 * @throws as `unpackLinear`
 */
export async function keptIn(packed: PackedLinear): Promise<Uint8Array> {
  checkPackedLinear(packed);
  return keptBy(packed.indices, packed);
}

/** The same by the indices alone, whose sizes were checked. */
export async function keptBy(
  indices: Uint8Array,
  {
    rows,
    cols,
    permutation,
    pattern: { keep, group },
  }: Omit<PackedLinear, 'encoding' | 'dtype' | 'values' | 'indices' | 'tileRows'>,
): Promise<Uint8Array> {
  // Whole tiles: rows that only fill up the last one may not have values, and these are all ones.
  const whole = Math.ceil(rows / TILE_ROWS) * TILE_ROWS;
  const values = new Uint16Array((whole * cols * keep) / group).fill(1);
  const marked = await unpack({ values, indices }, whole, cols, permutation, keep, group);
  const kept = Uint8Array.from(marked.subarray(0, rows * cols));
  free(marked);
  return kept;
}
