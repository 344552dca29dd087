import { EsparseError } from '@esparse/errors';
import { addon } from './addon.ts';
import { cancellable } from './cancellable.ts';
import { checkMatrix } from './shuffled-matrix.ts';

/** Side of an assignment's matrix at most: its values alone take 1 GiB. */
const MAX_SIDE = 2 ** 14;

/**
 * Linear sum assignment: to every row of a square matrix a column of its own, so that the sum of the chosen values is the
 * largest that there is. Potentials are sums in f64. The same matrix always gives the same of several best answers.
 *
 * @param values (size, size), finite
 * @returns (size): the column of each row
 * @throws EsparseError 'usage' for values that are not finite, or a side above 16384; 'cancelled' soon after `signal` has aborted
 */
export async function assign(values: Float32Array, size: number, signal?: AbortSignal): Promise<Int32Array> {
  checkMatrix('the assignment', values.length, size, size);
  if (size > MAX_SIDE) {
    throw new EsparseError('usage', `an assignment of ${size} rows: at most ${MAX_SIDE} were expected`);
  }
  if (!values.every(Number.isFinite)) throw new EsparseError('usage', 'an assignment’s value is not finite');
  const native = addon();
  if (native === null) return assignReference(values, size);
  const columns = new Int32Array(size);
  await cancellable(signal, (cancel) => native.assign(values, size, columns, cancel));
  return columns;
}

/** The readable version of `assign`: see native/assignment.cc for the method. */
export function assignReference(values: Float32Array, size: number): Int32Array {
  const at = (i: number, j: number) => values[i * size + j]!;
  const columnOf = new Int32Array(size).fill(-1);
  const rowOf = new Int32Array(size).fill(-1);
  // The slack u[i] + v[j] - at(i, j) is never negative.
  const u = new Float64Array(size).fill(-Infinity);
  const v = new Float64Array(size).fill(-Infinity);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) u[i] = Math.max(u[i]!, at(i, j));
    for (let j = 0; j < size; j++) v[j] = Math.max(v[j]!, at(i, j) - u[i]!);
  }
  for (let i = 0; i < size; i++) {
    const j = rowOf.findIndex((row, column) => row === -1 && v[column] === at(i, column) - u[i]!);
    if (j === -1) continue;
    columnOf[i] = j;
    rowOf[j] = i;
  }
  for (let free = 0; free < size; free++) {
    if (columnOf[free] !== -1) continue;
    const length = new Float64Array(size).fill(Infinity);
    const from = new Int32Array(size).fill(-1);
    const reached: number[] = [];
    let [i, j, end] = [free, -1, 0];
    for (;;) {
      const base = end + u[i]!;
      j = -1;
      for (let column = 0; column < size; column++) {
        if (reached.includes(column)) continue;
        const through = base + (v[column]! - at(i, column));
        if (through < length[column]!) [length[column], from[column]] = [through, i];
        if (j === -1 || length[column]! < length[j]!) j = column;
      }
      end = length[j]!;
      i = rowOf[j]!;
      if (i === -1) break;
      reached.push(j);
    }
    u[free] = u[free]! - end;
    for (const column of reached) {
      const change = end - length[column]!;
      v[column] = v[column]! + change;
      u[rowOf[column]!] = u[rowOf[column]!]! - change;
    }
    do {
      i = from[j]!;
      rowOf[j] = i;
      [j, columnOf[i]] = [columnOf[i]!, j];
    } while (i !== free);
  }
  return columnOf;
}
