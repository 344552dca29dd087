/** A matrix product: (rows x inner) by (inner x cols). */
export interface ProductSizes {
  readonly rows: number;
  readonly inner: number;
  readonly cols: number;
}

/** Outputs that a thread has are whole multiples of this, but for the last thread's. */
const ALIGNMENT = 16;
/** Outputs, and inputs of each, that a thread sums at once. */
const STRIDE = 128;

/**
 * Up to how many threads ONNX Runtime gives a product the bits of one; Infinity where they change nothing.
 *
 * Its matrix products (MLAS) are cut by rows, which changes nothing, or, where they have more columns than rows, by columns.
 * A thread sums 128 inputs at once, and then the next 128; one that has 64 columns or fewer sums more inputs at once instead,
 * which rounds otherwise. A single column is multiplied as a vector, whose rounding depends on how many rows a thread has.
 */
export function threadsAlike({ rows, inner, cols }: ProductSizes): number {
  if (cols === 1) return 1;
  if (cols <= rows) return Infinity;
  const whole = inputsAtOnce(cols, inner);
  const blocks = Math.ceil(cols / ALIGNMENT);
  const missing = blocks * ALIGNMENT - cols;
  for (let threads = 2; threads <= blocks; threads++) {
    const least = Math.floor(blocks / threads) * ALIGNMENT;
    if ([least - missing, least].some((part) => inputsAtOnce(part, inner) !== whole)) return threads - 1;
  }
  return Infinity;
}

function inputsAtOnce(cols: number, inner: number): number {
  let [width, depth] = [STRIDE, STRIDE];
  for (; cols < inner && width > ALIGNMENT && width / 2 >= cols; width /= 2) depth *= 2;
  return Math.min(depth, inner);
}
