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

/** The most of `threads` that give a product the bits of one. */
export function threadsAlike(sizes: ProductSizes, threads: number): number {
  let most = threads;
  while (most > 1 && dependsOnThreads(sizes, most)) most--;
  return most;
}

/**
 * Whether a product's bits depend on how many threads ONNX Runtime computes it with, up to `threads`.
 *
 * Its matrix products (MLAS) are cut by rows, which changes nothing, or, where they have more columns than rows, by columns.
 * A thread sums 128 inputs at once, and then the next 128; one that has 64 columns or fewer sums more inputs at once instead,
 * which rounds otherwise.
 */
export function dependsOnThreads({ rows, inner, cols }: ProductSizes, threads: number): boolean {
  if (cols <= rows) return false;
  const blocks = Math.ceil(cols / ALIGNMENT);
  const missing = blocks * ALIGNMENT - cols;
  for (let cuts = 2; cuts <= Math.min(threads, blocks); cuts++) {
    const least = Math.floor(blocks / cuts) * ALIGNMENT;
    for (const part of [least - missing, least]) {
      if (inputsAtOnce(part, inner) !== inputsAtOnce(cols, inner)) return true;
    }
  }
  return false;
}

function inputsAtOnce(cols: number, inner: number): number {
  let [width, depth] = [STRIDE, STRIDE];
  for (; cols < inner && width > ALIGNMENT && width / 2 >= cols; width /= 2) depth *= 2;
  return Math.min(depth, inner);
}
