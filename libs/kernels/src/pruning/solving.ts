import { addon } from '../addon.ts';
import { EXACT_SUM_PART } from './exact-sums.ts';
import { maskRowBytes } from './mask.ts';
import { checkLength } from '../runtime/shuffled-matrix.ts';

/**
 * A mask as numbers: 1 where a weight is kept, else 0, (rows, cols) in the original order.
 *
 * @param mask bits in the shuffled order, as `maskOf` makes them
 */
export async function spreadMask(
  mask: Uint8Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
): Promise<Float32Array> {
  checkLength('mask', mask.length, rows * maskRowBytes(cols));
  const native = addon();
  if (native === null) return spreadMaskReference(mask, rows, cols, permutation);
  const out = new Float32Array(rows * cols);
  await native.spreadMask({ mask, rows, cols, permutation, out });
  return out;
}

/** The readable version of `spreadMask`. */
export function spreadMaskReference(
  mask: Uint8Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
): Float32Array {
  const kept = new Float32Array(rows * cols);
  const rowBytes = maskRowBytes(cols);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      kept[r * cols + permutation[i]!] = (mask[r * rowBytes + (i >> 3)]! >> (i & 7)) & 1;
    }
  }
  return kept;
}

/** The absolute values. */
export async function magnitudes(values: Float32Array): Promise<Float32Array> {
  const native = addon();
  if (native === null) return values.map(Math.abs);
  const to = new Float32Array(values.length);
  await native.magnitudes({ from: values, to });
  return to;
}

/** Whether all are whole numbers that f64 tells apart. */
export async function areWhole(values: Float64Array): Promise<boolean> {
  const native = addon();
  return native === null ? values.every((value) => Number.isSafeInteger(value)) : native.areWhole({ values });
}

/** Exact sums of a tile, (rows, cols), each of two digits, the low ones first: see `addExactly`. */
export interface SummedMatrix {
  readonly sums: Float64Array;
  readonly rows: number;
  readonly cols: number;
}

/** Rounds exact sums to f32: (rows, cols), or (cols, rows) where they are transposed. */
export async function sumsToMatrix(
  { sums, rows, cols }: SummedMatrix,
  transposed: boolean,
  out: Float32Array,
): Promise<void> {
  const native = addon();
  if (native === null) {
    sumsToMatrixReference({ sums, rows, cols }, transposed, out);
    return;
  }
  const how = { part: EXACT_SUM_PART, transposed: transposed ? 1 : 0 };
  await native.sumsToMatrix({ sums, rows, cols, ...how, out });
}

/** The readable version of `sumsToMatrix`. */
export function sumsToMatrixReference(
  { sums, rows, cols }: SummedMatrix,
  transposed: boolean,
  out: Float32Array,
): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const at = r * cols + c;
      out[transposed ? c * rows + r : at] = sums[at]! + sums[rows * cols + at]! * EXACT_SUM_PART;
    }
  }
}
