/** What sweeps over the channels of a linear share: a channel's error is made up for by the channels that follow. */
import { EsparseError } from '@esparse/errors';
import type { MatrixProducts } from '@esparse/onnx';

/** A linear's weights and the Hessian of its inputs. Matrices are row-major. */
export interface SweptLinear {
  readonly rows: number;
  readonly cols: number;
  /** (rows, cols), in the original order of the channels. */
  readonly weights: Float32Array;
  /** (cols, cols): H = Xᵀ X of the inputs, symmetric, in the original order. */
  readonly hessian: Float32Array;
  /** (cols): the channel at each position: the order in which they are swept. */
  readonly permutation: Int32Array;
}

/** Some channels that are swept together. */
interface ChannelBlock {
  readonly first: number;
  readonly channels: number;
}

/** H in the order of the permutation, damped; and which positions have inputs that are always zero. */
export function dampedHessian(
  { cols, hessian, permutation }: SweptLinear,
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
export function channelsOf(
  { rows, cols, weights, permutation }: SweptLinear,
  dead: Uint8Array,
): Float32Array {
  const channels = new Float32Array(cols * rows);
  for (let i = 0; i < cols; i++) {
    if (dead[i] === 1) continue;
    const channel = permutation[i]!;
    for (let r = 0; r < rows; r++) channels[i * rows + r] = weights[r * cols + channel]!;
  }
  return channels;
}

/** (rows, cols), in the original order, of weights that have a row a channel. */
export function rowsOf(
  channels: Float32Array,
  { rows, cols, permutation }: Omit<SweptLinear, 'weights'>,
): Float32Array {
  const weights = new Float32Array(rows * cols);
  for (let i = 0; i < cols; i++) {
    const channel = permutation[i]!;
    for (let r = 0; r < rows; r++) weights[r * cols + channel] = channels[i * rows + r]!;
  }
  return weights;
}

/**
 * Makes up, in the weights of a block of channels, (channels, rows), for the errors of all channels before it: a row of U for
 * each of them, times its errors.
 */
export async function compensate(
  weights: Float32Array,
  {
    factor,
    errors,
    rows,
    cols,
  }: {
    /** (cols, cols): U, see `inverseFactor`. */
    readonly factor: Float32Array;
    /** (cols, rows): what each channel's weights lost, over its diagonal of U. */
    readonly errors: Float32Array;
    readonly rows: number;
    readonly cols: number;
  },
  { first, channels }: ChannelBlock,
  products: MatrixProducts,
): Promise<void> {
  if (first === 0) return;
  const shares = new Float32Array(channels * first);
  for (let k = 0; k < first; k++) {
    for (let i = 0; i < channels; i++) shares[i * first + k] = factor[k * cols + first + i]!;
  }
  const change = new Float32Array(channels * rows);
  const before = errors.subarray(0, first * rows);
  await products.product(shares, before, { rows: channels, inner: first, cols: rows }, change);
  for (let i = 0; i < weights.length; i++) weights[i] = weights[i]! - change[i]!;
}

/** (channels, channels): the part of U on the diagonal. */
export function cornerOf(
  factor: Float32Array,
  cols: number,
  { first, channels }: ChannelBlock,
): Float32Array {
  const square = new Float32Array(channels * channels);
  for (let i = 0; i < channels; i++) {
    const at = (first + i) * cols + first;
    square.set(factor.subarray(at, at + channels), i * channels);
  }
  return square;
}
