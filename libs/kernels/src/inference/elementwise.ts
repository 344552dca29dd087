import { expNegative } from './lanes.ts';

const f = Math.fround;

/** The readable version of `InferenceKernels.add`: the same bits. */
export function addReference(a: Float32Array, b: Float32Array, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = a[i]! + b[i]!;
}

/** x / (1 + e^-z) in f32. With p = e^-|z| it is x / (1 + p) above zero and x p / (1 + p) below: nothing overflows. */
function bySigmoid(x: number, z: number): number {
  const p = expNegative(z < 0 ? z : -z);
  return f((z < 0 ? f(x * p) : x) / f(1 + p));
}

/** The readable version of `InferenceKernels.gatedSilu`: the same bits. */
export function gatedSiluReference(
  gate: Float32Array,
  up: Float32Array,
  count: number,
  y: Float32Array,
): void {
  for (let i = 0; i < count; i++) y[i] = bySigmoid(gate[i]!, gate[i]!) * up[i]!;
}

/** The readable version of `InferenceKernels.clampedSwiglu`: the same bits. */
export function clampedSwigluReference(
  gate: Float32Array,
  up: Float32Array,
  { alpha, limit }: ClampedSwiglu,
  count: number,
  y: Float32Array,
): void {
  const [slope, most] = [f(alpha), f(limit)];
  for (let i = 0; i < count; i++) {
    // NaN stays NaN.
    const g = gate[i]! > most ? most : gate[i]!;
    const below = up[i]! > most ? most : up[i]!;
    const u = below < -most ? -most : below;
    y[i] = f(u + 1) * bySigmoid(g, f(slope * g));
  }
}

/** What a clamped SwiGLU multiplies its gate by before the sigmoid, and how large gate and up become at most. */
export interface ClampedSwiglu {
  readonly alpha: number;
  readonly limit: number;
}

/** 2 √(2/π) and 0.044715: half of 1 + tanh(u) is 1 / (1 + e^-2u). */
const [GELU_SLOPE, GELU_CUBE] = [f(1.5957691216057308), f(0.044715)];

/** GELU with tanh in f32. */
function gelu(x: number): number {
  return bySigmoid(x, f(GELU_SLOPE * f(x + f(GELU_CUBE * f(f(x * x) * x)))));
}

/** The readable version of `InferenceKernels.gatedGelu`: the same bits. */
export function gatedGeluReference(
  gate: Float32Array,
  up: Float32Array,
  count: number,
  y: Float32Array,
): void {
  for (let i = 0; i < count; i++) y[i] = gelu(gate[i]!) * up[i]!;
}

/** The readable version of `InferenceKernels.gelu`: the same bits. */
export function geluReference(x: Float32Array, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = gelu(x[i]!);
}

/** The readable version of `InferenceKernels.scale`: the same bits. */
export function scaleReference(x: Float32Array, factor: number, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = x[i]! * f(factor);
}

/** The readable version of `InferenceKernels.relu`: the same bits. */
export function reluReference(x: Float32Array, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = x[i]! < 0 ? 0 : x[i]!;
}
