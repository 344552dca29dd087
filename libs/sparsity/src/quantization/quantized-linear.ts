import { EsparseError } from '@esparse/errors';
import {
  MAX_DIMENSION,
  MAX_GROUP,
  notScaled,
  quantizedLayout,
  TILE_ROWS,
  VECTOR_BYTES,
  type QuantizedBits,
} from '@esparse/kernels';
import { isPermutation } from '../permutation.ts';
import { isPattern, requireDivisible, type Pattern } from '../pattern.ts';
import { EVERYTHING } from './integer-weights.ts';

/** The encoding's name. */
export const QUANTIZED = 'quantized-v1';

/** A linear as integers with scales, as the store holds it and the matrix kernel walks it: see `QuantizedLayout`. */
export interface QuantizedLinear {
  readonly encoding: typeof QUANTIZED;
  readonly bits: QuantizedBits;
  readonly rows: number;
  readonly cols: number;
  /** 1:1 where nothing is pruned. */
  readonly pattern: Pattern;
  readonly span: number;
  readonly tileRows: typeof TILE_ROWS;
  /** (tiles, vectors, 64) */
  readonly values: Uint8Array;
  /** (tiles, spans, 16), as the bits of bf16. */
  readonly scales: Uint16Array;
  /** (tiles, pieces, bytes): where the survivors stand. Undefined, as the permutation is, where nothing is pruned. */
  readonly indices: Uint8Array | undefined;
  /** (cols): p[i] is the original channel at position i. */
  readonly permutation: Int32Array | undefined;
}

/** What the arrays of a quantized linear must look like. */
export interface QuantizedShapes {
  /** [tiles, vectors, 64] of uint8. */
  readonly values: readonly [number, number, number];
  /** [tiles, spans, 16] of uint16. */
  readonly scales: readonly [number, number, number];
  /** [tiles, pieces, bytes] of uint8; undefined where nothing is pruned. */
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
  const all = keepsEverything(pattern);
  if (!all && !isPattern(pattern)) {
    throw new EsparseError(
      'store',
      `quantized linear: ${pattern.keep}:${pattern.group} is no pattern (1 <= keep < group <= ${MAX_GROUP})`,
    );
  }
  for (const [name, size] of Object.entries({ rows, cols })) {
    if (Number.isInteger(size) && size >= 1 && size <= MAX_DIMENSION) continue;
    throw new EsparseError('store', `quantized linear: ${name} is ${size}, expected 1 to ${MAX_DIMENSION}`);
  }
  requireDivisible('quantized linear', cols, pattern);
  const { tiles, vectors, spans, indices } = quantizedLayout({ rows, cols, ...pattern, bits, span });
  return {
    values: [tiles, vectors, VECTOR_BYTES],
    scales: [tiles, spans, TILE_ROWS],
    indices: all ? undefined : [tiles, ...indices],
  };
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
  checkScales(linear.scales, shapes.scales[1]);
  const { permutation, cols } = linear;
  if (permutation !== undefined && !isPermutation(permutation, cols)) {
    throw new EsparseError(
      'store',
      `quantized linear: its permutation does not name each of ${cols} channels once`,
    );
  }
}

function checkScales(scales: Uint16Array, spans: number): void {
  const wrong = notScaled({ spans }, scales);
  if (wrong === undefined) return;
  throw new EsparseError('store', `the scale of row ${wrong.row}, span ${wrong.span} is zero or not finite`, {
    hint: 'the store is damaged: verify it',
    context: wrong,
  });
}
