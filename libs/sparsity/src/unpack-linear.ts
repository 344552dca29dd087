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
  const { rows, cols } = packed;
  // Of whole tiles: rows that fill up the last one must be zero where they are known to be none of the matrix's.
  const whole = { ...packed, rows: Math.ceil(rows / TILE_ROWS) * TILE_ROWS };
  const marked = await unpackLinear({ ...whole, values: new Uint16Array(packed.values.length).fill(1) });
  const kept = Uint8Array.from(marked.subarray(0, rows * cols));
  free(marked);
  return kept;
}
