import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import { maskRowBytes } from './mask.ts';
import { packReference, unpackReference } from './pack-reference.ts';
import { inHugePages } from '../runtime/huge-pages.ts';
import { packedLayout } from '../runtime/packed-layout.ts';
import { checkLength, checkShuffled, checkShuffledMatrix } from '../runtime/shuffled-matrix.ts';
import { widenReference, type HalfDtype } from '../runtime/widen.ts';

/** The two arrays of a packed matrix: see `PackedLayout`. */
export interface PackedArrays {
  /** Kept weights (tiles, groups, 16 * keep), 16-bit floating point as its bits. */
  readonly values: Uint16Array;
  /** Their positions (tiles, groups, groupBytes). */
  readonly indices: Uint8Array;
}

/**
 * Packs the weights that a mask keeps. Goes by the mask alone: a kept weight may be zero, and keeps its bits.
 *
 * @param weights (rows, cols), in the original channel order
 * @param mask bits in the shuffled order, as `maskOf` makes them
 * @throws EsparseError 'usage' where the mask does not keep exactly `keep` of every `group`
 */
export async function pack(
  weights: Uint16Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  mask: Uint8Array,
  keep: number,
  group: number,
): Promise<PackedArrays> {
  checkShuffledMatrix('weights', weights.length, rows, cols, permutation, keep, group);
  checkLength('mask', mask.length, rows * maskRowBytes(cols));
  const { bits, groups, ...layout } = packedLayout(rows, cols, keep, group);
  const values = inHugePages(new Uint16Array(layout.tiles * groups * layout.groupValues));
  const indices = new Uint8Array(layout.tiles * groups * layout.groupBytes);
  const native = addon();
  const wrong =
    native === null
      ? packReference(weights, mask, rows, cols, permutation, keep, group, values, indices)
      : await native.pack({ weights, mask, rows, cols, permutation, keep, group, bits, values, indices });
  if (wrong !== -1) {
    const [tile, g] = [Math.floor(wrong / groups), wrong % groups];
    throw new EsparseError(
      'usage',
      `the mask does not keep ${keep} of ${group} in group ${g}, rows ${tile * 16} to ${tile * 16 + 15}`,
    );
  }
  return { values, indices };
}

/**
 * The dense matrix (rows, cols) of a packed one, in the original channel order; the rest is zero.
 *
 * @throws EsparseError 'store' where the arrays are not what `pack` writes
 */
export async function unpack(
  packed: PackedArrays,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): Promise<Uint16Array> {
  checkPacked(packed, rows, cols, permutation, keep, group);
  const { bits, groups } = packedLayout(rows, cols, keep, group);
  const { values, indices } = packed;
  const out = inHugePages(new Uint16Array(rows * cols));
  const shape = { rows, cols, permutation, keep, group };
  const native = addon();
  const wrong =
    native === null
      ? unpackReference(out, rows, cols, permutation, keep, group, values, indices)
      : await native.unpack({ ...shape, bits, values, indices, dtype: 'bf16', out });
  checkGroups(wrong, groups);
  return out;
}

/** As `unpack`, widened to f32 on the way (exact). */
export async function unpackToF32(
  dtype: HalfDtype,
  packed: PackedArrays,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): Promise<Float32Array> {
  const native = addon();
  if (native === null) {
    return widenReference(dtype, await unpack(packed, rows, cols, permutation, keep, group));
  }
  checkPacked(packed, rows, cols, permutation, keep, group);
  const { bits, groups } = packedLayout(rows, cols, keep, group);
  const { values, indices } = packed;
  const out = new Float32Array(rows * cols);
  const shape = { rows, cols, permutation, keep, group };
  checkGroups(await native.unpack({ ...shape, bits, values, indices, dtype, out }), groups);
  return out;
}

function checkPacked(
  { values, indices }: PackedArrays,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): void {
  checkShuffled(rows, cols, permutation, keep, group);
  const { tiles, groups, groupValues, groupBytes } = packedLayout(rows, cols, keep, group);
  checkLength('values', values.length, tiles * groups * groupValues);
  checkLength('indices', indices.length, tiles * groups * groupBytes);
}

function checkGroups(wrong: number, groups: number): void {
  if (wrong === -1) return;
  const [tile, group] = [Math.floor(wrong / groups), wrong % groups];
  throw new EsparseError('store', `packed weights are damaged: tile ${tile}, group ${group}`, {
    hint: 'its indices are not an N:M choice in ascending order, or its padding is not zero; verify the store',
    context: { tile, group },
  });
}
