/** Rows whose f32 partial sum is added to the f64 total at once: part of the definition of the result. */
const PARTIAL_ROWS = 64;

/** The scores of one channel. */
export function column(scores: Float32Array, rows: number, cols: number, channel: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, r) => scores[r * cols + channel]!);
}

/** For each row, the n-th largest of the given columns. */
export function nthLargest(columns: Float32Array[], rows: number, n: number): Float32Array {
  const row = new Float32Array(columns.length);
  return Float32Array.from({ length: rows }, (_, r) => {
    columns.forEach((values, i) => (row[i] = values[r]!));
    return row.sort()[columns.length - n]!;
  });
}

/** Sum over rows of max(x, t): f32 within 64 rows, f64 across them. */
export function maxPlus(x: Float32Array, t: Float32Array): number {
  let total = 0;
  for (let first = 0; first < x.length; first += PARTIAL_ROWS) {
    let partial = 0;
    const end = Math.min(first + PARTIAL_ROWS, x.length);
    for (let r = first; r < end; r++) partial = Math.fround(partial + Math.max(x[r]!, t[r]!));
    total += partial;
  }
  return total;
}
