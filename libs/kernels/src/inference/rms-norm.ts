import { vectorKernels } from './instruction-set.ts';
import { laneTotal } from './lanes.ts';

const f = Math.fround;

/**
 * `y = x / sqrt(mean(x²) + epsilon) * weight` for each of the first `tokens` rows of x (tokens x channels), where
 * channels is the length of `weight`. A row's bits depend on that row alone.
 */
export function rmsNorm(
  x: Float32Array,
  weight: Float32Array,
  epsilon: number,
  tokens: number,
  y: Float32Array,
): void {
  const on = vectorKernels();
  if (on === null) rmsNormReference(x, weight, epsilon, tokens, y);
  else on.native.rmsNorm({ instructionSet: on.instructionSet, x, weight, epsilon, tokens, y });
}

/** The readable version of `rmsNorm`: the same bits. */
export function rmsNormReference(
  x: Float32Array,
  weight: Float32Array,
  epsilon: number,
  tokens: number,
  y: Float32Array,
): void {
  const channels = weight.length;
  for (let t = 0; t < tokens; t++) {
    const row = x.subarray(t * channels, (t + 1) * channels);
    const squares = new Float32Array(16);
    for (let k = 0; k < channels; k++) squares[k % 16] = squares[k % 16]! + f(row[k]! * row[k]!);
    const root = f(Math.sqrt(f(f(laneTotal(squares) / channels) + f(epsilon))));
    for (let k = 0; k < channels; k++) y[t * channels + k] = f(row[k]! / root) * weight[k]!;
  }
}
