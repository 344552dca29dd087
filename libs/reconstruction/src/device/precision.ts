import type { StatisticDevice } from '@esparse/statistics';
import { byElements, type Room } from './room.ts';

/**
 * How f32 matrices are multiplied in conjugate gradients.
 *
 * - 'f32': every product and sum in f32, as on the processor;
 * - 'tf32x3': each factor as a sum of two numbers of 11 bits, three products on the tensor cores: within 2^-21 of the factors;
 * - 'tf32': one product of 11 bits, which loses half of the digits. It is there for the test that says so.
 */
export type Precision = 'f32' | 'tf32x3' | 'tf32';

/** Accuracy first: directions that lose digits cost steps, and f32 is what the processor has. */
export const PRECISION: Precision = 'f32';

/** Products out = A M with one matrix M, (size, size), and many A, (rows, size): addresses. */
export function productsWith(
  device: StatisticDevice,
  { matrix, size, rows }: { readonly matrix: number; readonly size: number; readonly rows: number },
  precision: Precision,
  room: Room,
): (a: number, out: number) => void {
  const multiply = (left: number, right: number, out: number, beta: number) => {
    const inputs = precision === 'f32' ? 'f32' : 'tf32';
    device.multiply({ m: rows, n: size, k: size, left, right, out, inputs, outputs: 'f32', beta });
  };
  if (precision !== 'tf32x3') {
    return (a, out) => {
      multiply(a, matrix, out, 0);
    };
  }
  const partsOf = (count: number) => ({ high: room.floats(count), low: room.floats(count), count });
  const split = (from: number, { high, low, count }: ReturnType<typeof partsOf>) => {
    device.launch('solve_split', byElements(count), [
      ...[{ pointer: from }, { pointer: high }, { pointer: low }, { long: count }],
    ]);
  };
  const [left, right] = [partsOf(rows * size), partsOf(size * size)];
  split(matrix, right);
  return (a, out) => {
    split(a, left);
    // The smaller ones first.
    multiply(left.low, right.high, out, 0);
    multiply(left.high, right.low, out, 1);
    multiply(left.high, right.high, out, 1);
  };
}
