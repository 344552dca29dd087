import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import { cancellable } from './cancellable.ts';
import { checkMatrix } from '../runtime/shuffled-matrix.ts';

/** Side of an assignment's matrix at most: its values alone take 1 GiB. */
const MAX_SIDE = 2 ** 14;

/**
 * Linear sum assignment: to every row of a square matrix a column of its own, so that the sum of the chosen values is the
 * largest that there is, up to rounding. Potentials are sums in f64, so values are told apart to about 1e-16 of their
 * range: beside a single 1e30, values of about 1 are as good as equal. The same matrix always gives the same of several
 * best answers.
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
  // A plain loop: `every` would take as long as the assignment.
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) throw new EsparseError('usage', 'an assignment’s value is not finite');
  }
  const native = addon();
  if (native === null) return assignReference(values, size);
  const columns = new Int32Array(size);
  await cancellable(signal, (cancel) => native.assign({ values, size, out: columns, cancel }));
  return columns;
}

/** Phases of the auction, by what their steps fall, and how many bids for each row one has at most: see native/pruning/assignment.cc. */
const PHASES = 15;
const STEP_RATIO = 4;
const BIDS_PER_ROW = 16;

/** The readable version of `assign`: see native/pruning/assignment.cc for the method. */
export function assignReference(values: Float32Array, size: number): Int32Array {
  const at = (i: number, j: number) => values[i * size + j]!;
  const columnOf = new Int32Array(size).fill(-1);
  const rowOf = new Int32Array(size).fill(-1);
  const take = (i: number, j: number) => {
    columnOf[i] = j;
    rowOf[j] = i;
  };
  // The slack u[i] + v[j] - at(i, j) is never negative.
  const u = new Float64Array(size);
  const v = new Float64Array(size);
  const isTight = (i: number, j: number) => u[i] === at(i, j) - v[j]!;
  const range = values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
  for (let phase = 1; phase <= PHASES && range > 0; phase++) {
    const step = range / STEP_RATIO ** phase;
    rowOf.fill(-1);
    columnOf.fill(-1);
    const waiting = Array.from({ length: size }, (_, k) => size - 1 - k);
    for (let bids = 0; waiting.length > 0 && bids < BIDS_PER_ROW * size; bids++) {
      const i = waiting.pop()!;
      const worth = v.map((price, j) => at(i, j) - price);
      const ranked = worth.slice().sort();
      const first = ranked[size - 1]!;
      const j = worth.indexOf(first);
      v[j] = v[j]! + (first - ranked[size - 2]! + step);
      const outbid = rowOf[j]!;
      if (outbid !== -1) {
        columnOf[outbid] = -1;
        waiting.push(outbid);
      }
      take(i, j);
    }
  }
  for (let i = 0; i < size; i++) {
    u[i] = v.reduce((most, price, j) => Math.max(most, at(i, j) - price), -Infinity);
    const j = columnOf[i]!;
    if (j !== -1 && !isTight(i, j)) rowOf[j] = columnOf[i] = -1;
  }
  for (let i = 0; i < size; i++) {
    const j = columnOf[i] === -1 ? rowOf.findIndex((row, column) => row === -1 && isTight(i, column)) : -1;
    if (j !== -1) take(i, j);
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
