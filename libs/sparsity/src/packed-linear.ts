import { EsparseError } from '@esparse/errors';
import { MAX_DIMENSION, MAX_GROUP, packedLayout, TILE_ROWS, type HalfDtype } from '@esparse/kernels';
import { isPattern, requireDivisible, type Pattern } from './pattern.ts';
import { isPermutation } from './permutation.ts';

/** The encodings that this version knows; see `PackedLayout` of @esparse/kernels for what they say. */
export type PackedEncoding = 'index-v1' | 'mask-v1';

/** One pruned linear, as the store holds it and the matrix kernel walks it. */
export interface PackedLinear {
  readonly encoding: PackedEncoding;
  readonly dtype: HalfDtype;
  readonly rows: number;
  readonly cols: number;
  readonly pattern: Pattern;
  readonly tileRows: typeof TILE_ROWS;
  /** (tiles, groups, 16 * keep): kept weights as the bits of `dtype`. */
  readonly values: Uint16Array;
  /** (tiles, groups, bytes): where they stand. */
  readonly indices: Uint8Array;
  /** (cols): p[i] is the original channel at position i. */
  readonly permutation: Int32Array;
}

/** What the arrays of a packed linear must look like. */
export interface PackedShapes {
  readonly encoding: PackedEncoding;
  readonly tileRows: typeof TILE_ROWS;
  /** [tiles, groups, 16 * keep] of uint16. */
  readonly values: readonly [number, number, number];
  /** [tiles, groups, bytes] of uint8. */
  readonly indices: readonly [number, number, number];
  /** [cols] of int32. */
  readonly permutation: readonly [number];
}

/**
 * The encoding and the array shapes of a packed linear, for a reader to check sizes before it trusts bytes.
 *
 * @throws EsparseError 'store' for a pattern or a size that no store holds, 'unsupported' where the group does
 * not divide the columns
 */
export function packedShapes(pattern: Pattern, rows: number, cols: number): PackedShapes {
  if (!isPattern(pattern)) {
    throw new EsparseError(
      'store',
      `packed linear: ${pattern.keep}:${pattern.group} is no pattern (1 <= keep < group <= ${MAX_GROUP})`,
    );
  }
  for (const [name, size] of Object.entries({ rows, cols })) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_DIMENSION) {
      throw new EsparseError('store', `packed linear: ${name} is ${size}, expected 1 to ${MAX_DIMENSION}`);
    }
  }
  requireDivisible('packed linear', cols, pattern);
  const layout = packedLayout(rows, cols, pattern.keep, pattern.group);
  return {
    encoding: layout.encoding === 'index' ? 'index-v1' : 'mask-v1',
    tileRows: TILE_ROWS,
    values: [layout.tiles, layout.groups, layout.groupValues],
    indices: [layout.tiles, layout.groups, layout.groupBytes],
    permutation: [cols],
  };
}

/**
 * Refuses a packed linear whose fields contradict each other; its indices are checked as they are unpacked.
 *
 * @throws EsparseError 'store', or 'unsupported' for an encoding or tile height that this version does not know
 */
export function checkPackedLinear(packed: PackedLinear): void {
  const { encoding, pattern, rows, cols, permutation } = packed;
  const shapes = packedShapes(pattern, rows, cols);
  // The values come from a store: their types are not checked yet.
  const found: { encoding: string; tileRows: number; dtype: string } = packed;
  if (found.encoding !== shapes.encoding || found.tileRows !== TILE_ROWS) {
    throw new EsparseError(
      'unsupported',
      `packed linear: encoding ${encoding} in tiles of ${found.tileRows} rows, expected ${shapes.encoding} in tiles of ${TILE_ROWS}`,
      { hint: 'the store was written by another version of esparse, or is damaged' },
    );
  }
  if (found.dtype !== 'bf16' && found.dtype !== 'f16') {
    throw new EsparseError('unsupported', `packed linear: dtype ${found.dtype}, expected bf16 or f16`);
  }
  for (const name of ['values', 'indices'] as const) {
    const expected = shapes[name].reduce((product, size) => product * size, 1);
    if (packed[name].length !== expected) {
      throw new EsparseError(
        'store',
        `packed linear: ${name} has ${packed[name].length} elements, expected ${expected} (${shapes[name].join(' x ')})`,
      );
    }
  }
  if (!isPermutation(permutation, cols)) {
    throw new EsparseError(
      'store',
      `packed linear: its permutation does not name each of ${cols} channels once`,
    );
  }
}
