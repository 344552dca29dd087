import { addon } from '../addon.ts';
import { exponential } from './exponential.ts';
import { naturalLog } from './natural-log.ts';
import { checkMatrix } from './shuffled-matrix.ts';

/** Partial sums of a row, in which its numbers take turns. */
const LANES = 16;

/**
 * log Σ e^x of each row of (rows, cols), in f64: added in an order of its own, whatever the threads and the machine. The
 * array must not change until then.
 *
 * @returns (rows), NaN where that is not a number: beside NaN or Infinity, or where all is -Infinity
 */
export async function logSumExp(logits: Float32Array, rows: number, cols: number): Promise<Float64Array> {
  checkMatrix('logits', logits.length, rows, cols);
  const native = addon();
  if (native === null) return logSumExpReference(logits, rows, cols);
  const out = new Float64Array(rows);
  await native.logSumExp({ logits, rows, cols, out });
  return out;
}

/** The readable version of `logSumExp`. */
export function logSumExpReference(logits: Float32Array, rows: number, cols: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, r) => ofRow(logits.subarray(r * cols, (r + 1) * cols)));
}

function ofRow(row: Float32Array): number {
  let largest = -Infinity;
  for (const x of row) if (x > largest) largest = x;
  const sums = new Float64Array(LANES);
  for (let i = 0; i < row.length; i++) sums[i % LANES]! += exponential(row[i]! - largest);
  const sum = sums.reduce((total, each) => total + each, 0);
  // The largest alone gives 1.
  return sum >= 1 ? largest + naturalLog(sum) : NaN;
}
