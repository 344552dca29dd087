import { expNegative } from './lanes.ts';

const f = Math.fround;

/** The readable version of `InferenceKernels.add`: the same bits. */
export function addReference(a: Float32Array, b: Float32Array, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = a[i]! + b[i]!;
}

/** The readable version of `InferenceKernels.gatedSilu`: the same bits. */
export function gatedSiluReference(
  gate: Float32Array,
  up: Float32Array,
  count: number,
  y: Float32Array,
): void {
  for (let i = 0; i < count; i++) {
    const g = gate[i]!;
    // With p = e^-|g|: 1 / (1 + e^-g) is 1 / (1 + p) above zero and p / (1 + p) below, so that nothing overflows.
    const p = expNegative(g < 0 ? g : -g);
    y[i] = f((g < 0 ? f(g * p) : g) / f(1 + p)) * up[i]!;
  }
}

/** The readable version of `InferenceKernels.relu`: the same bits. */
export function reluReference(x: Float32Array, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = x[i]! < 0 ? 0 : x[i]!;
}
