import { spanOf } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import {
  bf16Bits,
  integerFor,
  SCALE_GROUP,
  scaleFor,
  survives,
  type IntegerWeights,
  type RoundingOptions,
  type Survivors,
} from '@esparse/sparsity';
import { channelsOf, compensate, cornerOf, dampedHessian, type SweptLinear } from './channel-sweep.ts';
import { inverseFactor } from './inverse-factor.ts';

/** Channels that are swept together at least: products of this width reach the processor's speed. */
const WIDTH = 128;

/** A linear whose survivors are to be rounded. */
export interface QuantizeProblem extends Omit<SweptLinear, 'permutation'> {
  readonly survivors: Survivors;
}

/** How `quantizeSweep` rounds. */
export interface QuantizeSettings extends RoundingOptions {
  /** Added to H's diagonal, in parts of the mean of what is not zero there. @default 0.01 */
  readonly damping?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the channels that are done. */
  readonly progress?: (done: number, total: number) => void;
}

/**
 * Rounds survivors channel by channel, in their shuffled order, the mask fixed: what rounding takes from a weight is made
 * up for by the weights of its row that follow, so that the linear's output on the calibration inputs changes least (GPTQ,
 * arXiv 2210.17323; with pruned weights as SparseGPT has them, arXiv 2301.00774). The scale of a span is chosen when its
 * first channel is reached, for the weights as they are then.
 *
 * @throws EsparseError 'numeric' where H is not positive or not finite
 */
export async function quantizeSweep(
  problem: QuantizeProblem,
  products: MatrixProducts,
  { bits, group = SCALE_GROUP, damping = 0.01, signal, progress }: QuantizeSettings,
): Promise<IntegerWeights> {
  const { rows, cols, survivors } = problem;
  const { mask, pattern, permutation } = survivors;
  const linear = { ...problem, permutation };
  const span = spanOf(pattern.keep, group);
  const size = span * pattern.group;
  const width = size * Math.max(1, Math.floor(WIDTH / size));
  const [hessian, dead] = dampedHessian(linear, damping);
  const factor = await inverseFactor(hessian, cols, products, signal);
  const weights = channelsOf(linear, dead);
  const errors = new Float32Array(cols * rows);
  const integers = new Int8Array(rows * cols);
  const spans = Math.ceil(cols / size);
  const scales = new Float32Array(rows * spans);
  const kept = new Float32Array(size);
  for (let first = 0; first < cols; first += width) {
    signal?.throwIfAborted();
    const channels = Math.min(width, cols - first);
    const block = weights.subarray(first * rows, (first + channels) * rows);
    await compensate(block, { factor, errors, rows, cols }, { first, channels }, products);
    const corner = cornerOf(factor, cols, { first, channels });
    for (let i = 0; i < channels; i++) {
      const position = first + i;
      const s = Math.floor(position / size);
      if (position % size === 0) {
        for (let r = 0; r < rows; r++) {
          let count = 0;
          for (let k = i; k < Math.min(channels, i + size); k++) {
            if (survives(mask, cols, r, first + k)) kept[count++] = block[k * rows + r]!;
          }
          scales[r * spans + s] = scaleFor(kept.subarray(0, count), bits);
        }
      }
      const error = errors.subarray(position * rows, (position + 1) * rows);
      const diagonal = corner[i * channels + i]!;
      const channel = permutation[position]!;
      for (let r = 0; r < rows; r++) {
        const weight = block[i * rows + r]!;
        let rounded = 0;
        if (survives(mask, cols, r, position)) {
          const scale = scales[r * spans + s]!;
          const integer = integerFor(weight, scale, bits);
          integers[r * cols + channel] = integer;
          rounded = integer * scale;
        }
        error[r] = (weight - rounded) / diagonal;
      }
      for (let j = i + 1; j < channels; j++) {
        const share = corner[i * channels + j]!;
        for (let r = 0, at = j * rows; r < rows; r++, at++) block[at] = block[at]! - share * error[r]!;
      }
    }
    progress?.(first + channels, cols);
  }
  return { bits, span, integers, scales: Uint16Array.from(scales, bf16Bits) };
}
