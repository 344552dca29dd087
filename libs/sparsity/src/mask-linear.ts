import { maskOf } from '@esparse/kernels';
import type { Pattern } from './pattern.ts';
import type { ScoreMatrix } from './shuffle.ts';

/**
 * The N:M mask of one linear: per row and group of the shuffled order the N largest scores, of equal ones the
 * lower original channel.
 *
 * @returns bits, row-major in the shuffled order: position i of row r is bit i & 7 of byte
 * r * ceil(cols / 8) + (i >> 3)
 */
export function maskLinear(
  matrix: ScoreMatrix,
  permutation: Int32Array,
  pattern: Pattern,
): Promise<Uint8Array> {
  return maskOf(matrix.scores, matrix.rows, matrix.cols, permutation, pattern.keep, pattern.group);
}
