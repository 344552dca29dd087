import { laneTotal } from './lanes.ts';

const f = Math.fround;

/** The readable version of `InferenceKernels.rmsNorm`: the same bits. */
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
