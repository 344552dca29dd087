import { EsparseError } from '@esparse/errors';
import { widenReference } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import { integerFor, survives, type IntegerWeights, type Survivors } from '@esparse/sparsity';
import { panelsOf } from './panels.ts';
import type { Hessian } from './tap-matrix.ts';

/** Channels that descend together before the rest of the gradient follows, in one product. */
const BLOCK = 128;
/** Rows that descend together: bounds the memory to a few such matrices, and keeps the products large. */
const ROWS_AT_ONCE = 1024;
/** Times that every survivor is visited: a fourth time changes the error by a hundredth or less. */
export const SWEEPS = 3;

/** A linear whose survivors are to be integers. Matrices are row-major. */
export interface IntegerProblem {
  readonly rows: number;
  readonly cols: number;
  /** (rows, cols), in the original order of the channels: what the integers are to stand for, pruned ones included. */
  readonly weights: Float32Array;
  /** H = Xᵀ X of the inputs, symmetric, in the original order. */
  readonly hessian: Pick<Hessian, 'diagonal' | 'multiply' | 'rows'>;
  readonly survivors: Survivors;
}

/** How `integerDescent` works. */
export interface IntegerSettings {
  /** λ in parts of the mean of H's diagonal where that is not zero: keeps weights near what they were. @default 0.01 */
  readonly damping?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the sweeps over channels that are done. */
  readonly progress?: (done: number, total: number) => void;
}

/**
 * Changes the integers of survivors so that the linear's output on the calibration inputs is nearer to what it was: survivor by
 * survivor the integer that makes (ŵ - w) (H + λI) (ŵ - w)ᵀ of its row least while all others stay, in some sweeps (coordinate
 * descent, as in CDQuant, arXiv 2406.17542). Mask and scales stay.
 *
 * Law: where each weight has the nearest integer at first, as `roundLinear` has it, the squared error of no row,
 * (ŵ - w) H (ŵ - w)ᵀ, becomes larger, up to rounding in f32: no step makes the damped error larger, and of all integers those make
 * its λ |ŵ - w|² least.
 *
 * @param rounded the integers to begin with, changed
 * @throws EsparseError 'numeric' where H is zero or not finite
 */
export async function integerDescent(
  problem: IntegerProblem,
  rounded: IntegerWeights,
  products: MatrixProducts,
  { damping = 0.01, signal, progress }: IntegerSettings = {},
): Promise<void> {
  const { rows, cols, hessian, survivors } = problem;
  const lambda = damping * meanEnergy(hessian.diagonal);
  const size = rounded.span * survivors.pattern.group;
  const parts = panelsOf(rows, ROWS_AT_ONCE);
  const total = parts.length * SWEEPS * cols;
  for (const [part, { first, width: count }] of parts.entries()) {
    await descendRows(problem, rounded, { first, count, lambda, size }, products, {
      signal,
      progress: (done) => progress?.(part * SWEEPS * cols + done, total),
    });
  }
}

/** Some rows, λ, and the positions that share a scale. */
interface Part {
  readonly first: number;
  readonly count: number;
  readonly lambda: number;
  readonly size: number;
}

/** Changes the integers of some rows. */
async function descendRows(
  { cols, weights, hessian, survivors }: IntegerProblem,
  { bits, integers, scales }: IntegerWeights,
  { first, count, lambda, size }: Part,
  products: MatrixProducts,
  { signal, progress }: { readonly signal: AbortSignal | undefined; progress(done: number): void },
): Promise<void> {
  const { mask, permutation } = survivors;
  const spans = Math.ceil(cols / size);
  const widths = widenReference('bf16', scales.subarray(first * spans, (first + count) * spans));
  // ŵ - w, and its product with H + λI: half of what the error grows by with each weight.
  const difference = new Float32Array(count * cols);
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < cols; i++) {
      const [at, from] = [r * cols + permutation[i]!, (first + r) * cols + permutation[i]!];
      const width = widths[r * spans + Math.floor(i / size)]!;
      difference[at] = integers[from]! * width - weights[from]!;
    }
  }
  const gradient = new Float32Array(count * cols);
  await hessian.multiply(difference, count, gradient);
  for (let at = 0; at < gradient.length; at++) gradient[at] = gradient[at]! + lambda * difference[at]!;
  const image = difference;
  const blocks = panelsOf(cols, BLOCK);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const { first: begin, width } of blocks) {
      signal?.throwIfAborted();
      const channels = permutation.subarray(begin, begin + width);
      const rowsOfH = await hessian.rows(channels);
      for (let i = 0; i < width; i++) {
        const diagonal = i * cols + channels[i]!;
        rowsOfH[diagonal] = rowsOfH[diagonal]! + lambda;
      }
      const near = columnsOf(rowsOfH, width, cols, channels);
      const slopes = columnsOf(gradient, count, cols, channels);
      const steps = new Float32Array(count * width);
      for (let r = 0; r < count; r++) {
        const slope = slopes.subarray(r * width, (r + 1) * width);
        for (let i = 0; i < width; i++) {
          const curvature = near[i * width + i]!;
          if (!(curvature > 0) || !survives(mask, cols, first + r, begin + i)) continue;
          const scale = widths[r * spans + Math.floor((begin + i) / size)]!;
          const at = (first + r) * cols + channels[i]!;
          const before = integers[at]!;
          const integer = integerFor(before * scale - slope[i]! / curvature, scale, bits);
          if (integer === before) continue;
          integers[at] = integer;
          const step = (integer - before) * scale;
          steps[r * width + i] = step;
          for (let j = 0, row = i * width; j < width; j++) slope[j] = slope[j]! + step * near[row + j]!;
        }
      }
      await products.product(steps, rowsOfH, { rows: count, inner: width, cols }, image);
      for (let at = 0; at < gradient.length; at++) gradient[at] = gradient[at]! + image[at]!;
      progress(sweep * cols + begin + width);
    }
  }
}

/** The mean of H's diagonal where it is not zero. */
function meanEnergy(diagonal: Float32Array): number {
  let [sum, alive] = [0, 0];
  for (const energy of diagonal) {
    sum += energy;
    if (energy > 0) alive++;
  }
  const mean = sum / alive;
  if (mean > 0 && mean < Infinity) return mean;
  throw new EsparseError(
    'numeric',
    'the inputs’ Hessian is zero or not finite: it says nothing about the weights',
  );
}

/** Some columns of a matrix (rows, cols), in a given order: (rows, channels). */
function columnsOf(matrix: Float32Array, rows: number, cols: number, channels: Int32Array): Float32Array {
  const width = channels.length;
  const out = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < width; i++) out[r * width + i] = matrix[r * cols + channels[i]!]!;
  }
  return out;
}
