import { EsparseError } from '@esparse/errors';
import { SPARSE_GPT_CHANNELS, sparseGptSweep } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import type { Pattern } from '@esparse/sparsity';
import { inverseFactor } from './inverse-factor.ts';

/** A linear that is to be pruned. Matrices are row-major. */
export interface SparseGptProblem {
  readonly rows: number;
  readonly cols: number;
  /** (rows, cols), in the original order of the channels. */
  readonly weights: Float32Array;
  /** (cols, cols): H = Xᵀ X of the inputs, symmetric, in the original order. */
  readonly hessian: Float32Array;
  /** (cols): the channel at each position: the order in which groups are formed and channels are pruned. */
  readonly permutation: Int32Array;
  readonly pattern: Pattern;
}

/** How `sparseGpt` solves. */
export interface SparseGptSettings {
  /** Added to H's diagonal, in parts of the mean of what is not zero there. @default 0.01 */
  readonly damping?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the channels that are done. */
  readonly progress?: (done: number, total: number) => void;
}

/** What SparseGPT makes of a linear. */
export interface SparseGptSolution {
  /** (rows, cols), in the original order of the channels; zero where pruned. */
  readonly weights: Float32Array;
  /** Bits in the order of `permutation`, as `maskLinear` makes them. */
  readonly mask: Uint8Array;
}

/**
 * SparseGPT (Frantar and Alistarh, arXiv 2301.00774, algorithm 1) in the order of a permutation: channel by channel, what
 * is pruned is compensated by the channels that follow, so that the linear's output on the calibration inputs changes
 * least. The mask of a group is chosen when its channels are reached, by w² / d² of the weights as they are then.
 *
 * An input that is always zero prunes its weights and touches no others.
 *
 * @throws EsparseError 'numeric' where H is not positive or not finite
 */
export async function sparseGpt(
  problem: SparseGptProblem,
  products: MatrixProducts,
  { damping = 0.01, signal, progress }: SparseGptSettings = {},
): Promise<SparseGptSolution> {
  const { rows, cols, permutation, pattern } = problem;
  const { keep, group } = pattern;
  const [hessian, dead] = dampedHessian(problem, damping);
  const factor = await inverseFactor(hessian, cols, products, signal);
  const weights = channelsOf(problem, dead);
  const errors = new Float32Array(cols * rows);
  const width = SPARSE_GPT_CHANNELS - (SPARSE_GPT_CHANNELS % group);
  const rowBytes = Math.ceil(cols / 8);
  const mask = new Uint8Array(rows * rowBytes);
  for (let first = 0; first < cols; first += width) {
    signal?.throwIfAborted();
    const channels = Math.min(width, cols - first);
    const block = weights.subarray(first * rows, (first + channels) * rows);
    // The compensation of the channels before: a row of U for each of them, times its errors.
    if (first > 0) {
      const shares = new Float32Array(channels * first);
      for (let k = 0; k < first; k++) {
        for (let i = 0; i < channels; i++) shares[i * first + k] = factor[k * cols + first + i]!;
      }
      const change = new Float32Array(channels * rows);
      const before = errors.subarray(0, first * rows);
      await products.product(shares, before, { rows: channels, inner: first, cols: rows }, change);
      for (let i = 0; i < block.length; i++) block[i] = block[i]! - change[i]!;
    }
    const square = new Float32Array(channels * channels);
    for (let i = 0; i < channels; i++) {
      const at = (first + i) * cols + first;
      square.set(factor.subarray(at, at + channels), i * channels);
    }
    const swept = await sparseGptSweep({ channels, rows, weights: block, factor: square, keep, group });
    errors.set(swept.errors, first * rows);
    for (let i = 0; i < channels; i++) {
      const [byte, bit] = [(first + i) >> 3, (first + i) & 7];
      for (let r = 0; r < rows; r++) mask[r * rowBytes + byte]! |= swept.kept[i * rows + r]! << bit;
    }
    progress?.(first + channels, cols);
  }
  const solved = new Float32Array(rows * cols);
  for (let i = 0; i < cols; i++) {
    const channel = permutation[i]!;
    for (let r = 0; r < rows; r++) solved[r * cols + channel] = weights[i * rows + r]!;
  }
  return { weights: solved, mask };
}

/** H in the order of the permutation, damped; and which positions have inputs that are always zero. */
function dampedHessian(
  { cols, hessian, permutation }: SparseGptProblem,
  damping: number,
): [damped: Float32Array, dead: Uint8Array] {
  const dead = new Uint8Array(cols);
  let [trace, alive] = [0, 0];
  for (let i = 0; i < cols; i++) {
    const energy = hessian[permutation[i]! * (cols + 1)]!;
    dead[i] = energy === 0 ? 1 : 0;
    alive += 1 - dead[i]!;
    trace += energy;
  }
  const mean = trace / alive;
  if (!(mean > 0 && mean < Infinity)) {
    throw new EsparseError(
      'numeric',
      'the inputs’ Hessian is zero or not finite: it says nothing about the weights',
    );
  }
  const damped = new Float32Array(cols * cols);
  for (let i = 0, at = 0; i < cols; i++) {
    const row = permutation[i]! * cols;
    for (let j = 0; j < cols; j++, at++) damped[at] = hessian[row + permutation[j]!]!;
    damped[i * (cols + 1)]! += dead[i] === 1 ? mean : damping * mean;
  }
  return [damped, dead];
}

/** (cols, rows): the weights with a row a channel, in the order of the permutation; none where the input is zero. */
function channelsOf({ rows, cols, weights, permutation }: SparseGptProblem, dead: Uint8Array): Float32Array {
  const channels = new Float32Array(cols * rows);
  for (let i = 0; i < cols; i++) {
    if (dead[i] === 1) continue;
    const channel = permutation[i]!;
    for (let r = 0; r < rows; r++) channels[i * rows + r] = weights[r * cols + channel]!;
  }
  return channels;
}
