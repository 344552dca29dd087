import { EsparseError } from '@esparse/errors';
import { quantizedLayout, TILE_ROWS, type QuantizedBits } from '@esparse/kernels';
import { packedShapes } from '../packed-linear.ts';
import { isPermutation } from '../permutation.ts';
import type { Pattern } from '../pattern.ts';
import { EVERYTHING } from './integer-weights.ts';

/** A linear as integers with scales, as the store holds it and the matrix kernel walks it: see `QuantizedLayout`. */
export interface QuantizedLinear {
  readonly encoding: 'quantized-v1';
  readonly bits: QuantizedBits;
  readonly rows: number;
  readonly cols: number;
  /** 1:1 where nothing is pruned. */
  readonly pattern: Pattern;
  readonly span: number;
  readonly tileRows: typeof TILE_ROWS;
  /** (tiles, pairs, bytes) */
  readonly values: Uint8Array;
  /** (tiles, spans, 16), as the bits of bf16. */
  readonly scales: Uint16Array;
  /** (tiles, groups, bytes): where the survivors stand. Undefined, as the permutation is, where nothing is pruned. */
  readonly indices: Uint8Array | undefined;
  /** (cols): p[i] is the original channel at position i. */
  readonly permutation: Int32Array | undefined;
}

/** What the arrays of a quantized linear must look like. */
export interface QuantizedShapes {
  /** [tiles, pairs, bytes] of uint8. */
  readonly values: readonly [number, number, number];
  /** [tiles, spans, 16] of uint16. */
  readonly scales: readonly [number, number, number];
  /** [tiles, groups, bytes] of uint8; undefined where nothing is pruned. */
  readonly indices: readonly [number, number, number] | undefined;
}

type Shape = Pick<QuantizedLinear, 'rows' | 'cols' | 'pattern' | 'bits' | 'span'>;

/** Whether a pattern prunes nothing. */
export function keepsEverything({ keep, group }: Pattern): boolean {
  return keep === EVERYTHING.keep && group === EVERYTHING.group;
}

/**
 * The shapes of the arrays, for a reader to check sizes before it trusts bytes.
 *
 * @throws EsparseError 'store' for a pattern, span or size that no store holds, 'unsupported' where the group does not
 * divide the columns
 */
export function quantizedShapes({ rows, cols, pattern, bits, span }: Shape): QuantizedShapes {
  const indices = keepsEverything(pattern) ? undefined : packedShapes(pattern, rows, cols).indices;
  const { tiles, pairs, pairBytes, spans } = quantizedLayout({ rows, cols, ...pattern, bits, span });
  return { values: [tiles, pairs, pairBytes], scales: [tiles, spans, TILE_ROWS], indices };
}

/** @throws EsparseError 'store' where the fields contradict each other; indices are checked as they are unpacked */
export function checkQuantizedLinear(linear: QuantizedLinear): void {
  const shapes = quantizedShapes(linear);
  for (const name of ['values', 'scales', 'indices'] as const) {
    const expected = (shapes[name] ?? [0]).reduce((product, size) => product * size, 1);
    const found = linear[name]?.length ?? 0;
    if (found !== expected)
      throw new EsparseError(
        'store',
        `quantized linear: ${name} has ${found} elements, expected ${expected}`,
      );
  }
  const { permutation, cols } = linear;
  if (permutation !== undefined && !isPermutation(permutation, cols)) {
    throw new EsparseError(
      'store',
      `quantized linear: its permutation does not name each of ${cols} channels once`,
    );
  }
}
