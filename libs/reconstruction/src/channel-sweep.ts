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

/**
 * What is added to H's diagonal, by position, in f64: a sum is rounded once; and which positions have inputs that are always zero.
 *
 * @throws EsparseError 'numeric' where the diagonal is zero or not finite
 */
export function dampingOf(
  diagonal: Float32Array,
  permutation: Int32Array,
  damping: number,
): { readonly more: Float64Array; readonly dead: Uint8Array } {
  const dead = Uint8Array.from(permutation, (channel) => (diagonal[channel] === 0 ? 1 : 0));
  const trace = permutation.reduce((sum, channel) => sum + diagonal[channel]!, 0);
  const mean = trace / dead.reduce((alive, isDead) => alive - isDead, dead.length);
  if (!(mean > 0 && mean < Infinity)) {
    throw new EsparseError(
      'numeric',
      'the inputs’ Hessian is zero or not finite: it says nothing about the weights',
    );
  }
  return { more: Float64Array.from(dead, (isDead) => (isDead === 1 ? mean : damping * mean)), dead };
}

/** H in the order of the permutation, damped; and which positions have inputs that are always zero. */
export function dampedHessian(
  { cols, hessian, permutation }: SweptLinear,
  damping: number,
): [damped: Float32Array, dead: Uint8Array] {
  const diagonal = Float32Array.from({ length: cols }, (_, j) => hessian[j * (cols + 1)]!);
  const { more, dead } = dampingOf(diagonal, permutation, damping);
  const damped = new Float32Array(cols * cols);
  for (let i = 0, at = 0; i < cols; i++) {
    const row = permutation[i]! * cols;
    for (let j = 0; j < cols; j++, at++) damped[at] = hessian[row + permutation[j]!]!;
    damped[i * (cols + 1)]! += more[i]!;
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
