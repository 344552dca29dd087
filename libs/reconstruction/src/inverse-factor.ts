import { EsparseError } from '@esparse/errors';
import type { MatrixProducts } from '@esparse/onnx';
import { panelsOf, type Panel } from './panels.ts';

/** Columns that are factored at once: products of this width reach the processor's speed. */
export const FACTOR_WIDTH = 128;

/**
 * The upper triangular U with UᵀU = H⁻¹, of a symmetric positive H: the factor that SparseGPT (arXiv 2301.00774) takes its
 * columns from. With H's rows and columns in reverse order, H' = L Lᵀ; then U is L⁻¹ in reverse, and no inverse is formed.
 *
 * Blocked: products in f32 by ONNX Runtime, the triangles on the diagonal in f64. Some 2 n³ operations, and twice the
 * memory of H.
 *
 * @param hessian (size, size), which is overwritten
 * @throws EsparseError 'numeric' where H is not positive
 */
export async function inverseFactor(
  hessian: Float32Array,
  size: number,
  products: MatrixProducts,
  signal?: AbortSignal,
): Promise<Float32Array> {
  // Element (i, j) from the end is element (i, j) of the reversed matrix.
  const lower = hessian.reverse();
  const panels = panelsOf(size, FACTOR_WIDTH);
  const corners: Float32Array[] = [];
  for (const panel of panels) {
    signal?.throwIfAborted();
    corners.push(await factorPanel(lower, size, panel, products));
  }
  const inverse = new Float32Array(size * size);
  for (const [p, panel] of panels.entries()) {
    signal?.throwIfAborted();
    await invertRows(lower, inverse, size, panel, corners[p]!, products);
  }
  return inverse.reverse();
}

/**
 * Columns of L below and on the diagonal, in the place of those of the matrix; those to the left are L's already.
 *
 * @returns (width, width): the inverse of the triangle on the diagonal
 */
async function factorPanel(
  lower: Float32Array,
  size: number,
  { first, width }: Panel,
  products: MatrixProducts,
): Promise<Float32Array> {
  const rows = size - first;
  const below = lower.subarray(first * size);
  // Minus what the columns to the left account for: L[first.., ..first] L[panel, ..first]ᵀ, with zeros from `first` on.
  const left = new Float32Array(size * width);
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < first; k++) left[k * width + i] = below[i * size + k]!;
  }
  const panel = new Float32Array(rows * width);
  await products.product(below, left, { rows, inner: size, cols: width }, panel);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < width; j++)
      panel[i * width + j] = below[i * size + first + j]! - panel[i * width + j]!;
  }
  const corner = inverseOfTriangle(panel, width);
  // The rows of the panel, those on the diagonal included, times the inverse's transpose.
  const turned = new Float32Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) turned[j * width + i] = corner[i * width + j]!;
  }
  const solved = new Float32Array(rows * width);
  await products.product(panel, turned, { rows, inner: width, cols: width }, solved);
  for (let i = 0; i < rows; i++) {
    below.set(solved.subarray(i * width, (i + 1) * width), i * size + first);
  }
  return corner;
}

/** (L L ᵀ)'s L⁻¹, of the first `width` rows of a matrix of that many columns: Cholesky and inverse in f64. */
export function inverseOfTriangle(matrix: Float32Array, width: number): Float32Array {
  const l = new Float64Array(width * width);
  const inverse = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * width + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * width + k]! * l[j * width + k]!;
      if (i === j && !(sum > 0 && sum < Infinity)) {
        throw new EsparseError('numeric', 'the inputs’ Hessian is not positive: it has no factor');
      }
      l[i * width + j] = i === j ? Math.sqrt(sum) : sum / l[j * width + j]!;
    }
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? 1 : 0;
      for (let k = j; k < i; k++) sum -= l[i * width + k]! * inverse[k * width + j]!;
      inverse[i * width + j] = sum / l[i * width + i]!;
    }
  }
  return Float32Array.from(inverse);
}

/** Rows of L⁻¹; those above are there already. */
async function invertRows(
  lower: Float32Array,
  inverse: Float32Array,
  size: number,
  { first, width }: Panel,
  corner: Float32Array,
  products: MatrixProducts,
): Promise<void> {
  const rows = inverse.subarray(first * size, (first + width) * size);
  if (first > 0) {
    const left = new Float32Array(width * first);
    for (let i = 0; i < width; i++) {
      for (let k = 0; k < first; k++) left[i * first + k] = -lower[(first + i) * size + k]!;
    }
    const above = inverse.subarray(0, first * size);
    const sums = new Float32Array(width * size);
    await products.product(left, above, { rows: width, inner: first, cols: size }, sums);
    await products.product(corner, sums, { rows: width, inner: width, cols: size }, rows);
  }
  for (let i = 0; i < width; i++) {
    rows.set(corner.subarray(i * width, (i + 1) * width), i * size + first);
  }
}
