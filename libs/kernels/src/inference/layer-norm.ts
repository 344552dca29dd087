import { laneTotal } from './lanes.ts';

const f = Math.fround;

/** The readable version of `InferenceKernels.layerNorm`: the same bits. */
export function layerNormReference(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  epsilon: number,
  tokens: number,
  y: Float32Array,
): void {
  const channels = weight.length;
  for (let t = 0; t < tokens; t++) {
    const row = x.subarray(t * channels, (t + 1) * channels);
    const mean = f(laneSums(row) / channels);
    const centred = row.map((value) => value - mean);
    const squares = centred.map((value) => value * value);
    const root = f(Math.sqrt(f(f(laneSums(squares) / channels) + f(epsilon))));
    for (let k = 0; k < channels; k++) {
      y[t * channels + k] = f(f(centred[k]! / root) * weight[k]!) + bias[k]!;
    }
  }
}

/** Element k goes into sum k mod 16, then these are added. */
function laneSums(values: Float32Array): number {
  const sums = new Float32Array(16);
  for (let k = 0; k < values.length; k++) sums[k % 16] = sums[k % 16]! + values[k]!;
  return laneTotal(sums);
}
