import type { StatisticDevice } from '@esparse/statistics';
import { ROWS_AT_ONCE, type SurvivorsProblem } from '../survivors.ts';

/** Rows of a linear that a device works on together. */
export interface RowPart {
  readonly count: number;
  /** These rows of a matrix (rows, cols). */
  of(matrix: Float32Array): Float32Array;
  /** Copies these rows of a matrix to one of `rowsTogether` rows in the device's memory; what is left of that is zeros. */
  place(to: number, matrix: Float32Array): void;
}

/** How many rows matrices of a device have: equal products of one size have equal bits, so the last are filled up. */
export function rowsTogether(rows: number): number {
  return Math.min(rows, ROWS_AT_ONCE);
}

/** The rows of a linear, in parts. */
export function rowParts(
  device: StatisticDevice,
  { rows, cols }: Pick<SurvivorsProblem, 'rows' | 'cols'>,
): RowPart[] {
  const most = rowsTogether(rows);
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const first = i * most;
    const count = Math.min(most, rows - first);
    const of = (matrix: Float32Array) => matrix.subarray(first * cols, (first + count) * cols);
    return {
      count,
      of,
      place(to, matrix) {
        if (count < most) device.fill(to, 0, 4 * most * cols);
        device.upload(to, of(matrix));
      },
    };
  });
}
