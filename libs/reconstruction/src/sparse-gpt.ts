import { SPARSE_GPT_CHANNELS, sparseGptSweep } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import type { Pattern } from '@esparse/sparsity';
import { channelsOf, compensate, cornerOf, dampedHessian, rowsOf } from './channel-sweep.ts';
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
  const { rows, cols, pattern } = problem;
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
    const block = { first, channels };
    const part = weights.subarray(first * rows, (first + channels) * rows);
    await compensate(part, { factor, errors, rows, cols }, block, products);
    const square = cornerOf(factor, cols, block);
    const swept = await sparseGptSweep({ channels, rows, weights: part, factor: square, keep, group });
    errors.set(swept.errors, first * rows);
    for (let i = 0; i < channels; i++) {
      const [byte, bit] = [(first + i) >> 3, (first + i) & 7];
      for (let r = 0; r < rows; r++) mask[r * rowBytes + byte]! |= swept.kept[i * rows + r]! << bit;
    }
    progress?.(first + channels, cols);
  }
  return { weights: rowsOf(weights, problem), mask };
}
