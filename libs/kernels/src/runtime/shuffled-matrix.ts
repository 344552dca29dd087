import { EsparseError } from '@esparse/errors';

/** The widest group of a pattern: a position in it is at most 4 bits. */
export const MAX_GROUP = 16;
/** More rows or columns than any linear has, and few enough that no product of sizes loses digits. */
export const MAX_DIMENSION = 2 ** 30;

/**
 * Refuses what no kernel can work on: a shape that does not fit its data, a pattern that is no N:M with
 * 1 <= keep < group <= 16 or does not divide the columns, or a permutation that is none.
 */
export function checkShuffled(
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): void {
  checkDimension('rows', rows);
  checkDimension('cols', cols);
  if (!Number.isInteger(group) || group > MAX_GROUP || !Number.isInteger(keep) || keep < 1 || keep >= group) {
    throw refused(`${keep}:${group} is no pattern: 1 <= keep < group <= ${MAX_GROUP}`);
  }
  if (cols % group !== 0) throw refused(`${cols} columns are not a multiple of the group of ${group}`);
  checkLength('permutation', permutation.length, cols);
  const seen = new Uint8Array(cols);
  for (let i = 0; i < cols; i++) {
    const channel = permutation[i]!;
    if (channel < 0 || channel >= cols || seen[channel] === 1) {
      throw refused(`the permutation names channel ${channel} at position ${i}: out of range or twice`);
    }
    seen[channel] = 1;
  }
}

/** As `checkShuffled`, and refuses a matrix `name` whose elements, `length`, are not rows x cols. */
export function checkShuffledMatrix(
  name: string,
  length: number,
  ...shape: Parameters<typeof checkShuffled>
): void {
  checkShuffled(...shape);
  checkLength(name, length, shape[0] * shape[1]);
}

/** Refuses a matrix `name` whose elements, `length`, are not rows x cols. */
export function checkMatrix(name: string, length: number, rows: number, cols: number): void {
  checkDimension('rows', rows);
  checkDimension('cols', cols);
  checkLength(name, length, rows * cols);
}

/** Refuses a size that is no whole number from 0 to 2^30. */
function checkDimension(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > MAX_DIMENSION) {
    throw refused(`${name} is ${value}: a whole number up to ${MAX_DIMENSION} was expected`);
  }
}

/** Refuses an array of another length than its shape says. */
export function checkLength(name: string, length: number, expected: number): void {
  if (length !== expected) throw refused(`${name} has ${length} elements where ${expected} were expected`);
}

function refused(message: string): EsparseError {
  return new EsparseError('usage', `sparsity kernels: ${message}`);
}
