import { elementsOf } from '@esparse/checkpoint';

/** Orders of a matrix: the original row and column at each place; what is left out stays as it is. */
export interface MatrixOrders {
  readonly rows?: Int32Array;
  readonly cols?: Int32Array;
}

/**
 * A matrix with its rows and columns in other orders.
 *
 * @param bytes (rows x cols) elements of `bytesPerElement`
 * @returns memory of its own
 */
export function permuted(
  bytes: Uint8Array,
  [rows, cols]: readonly [number, number],
  bytesPerElement: number,
  orders: MatrixOrders,
): Uint8Array {
  const out = new Uint8Array(bytes.byteLength);
  const [from, to] = [elementsOf(bytesPerElement, bytes), elementsOf(bytesPerElement, out)];
  for (let row = 0; row < rows; row++) {
    const source = (orders.rows?.[row] ?? row) * cols;
    const target = row * cols;
    if (orders.cols === undefined) to.set(from.subarray(source, source + cols), target);
    else for (let col = 0; col < cols; col++) to[target + col] = from[source + orders.cols[col]!]!;
  }
  return out;
}
