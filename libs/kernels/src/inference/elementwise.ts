import { vectorKernels } from './instruction-set.ts';
import { expNegative } from './lanes.ts';

const f = Math.fround;

/** `y = a + b` for the first `count` elements. */
export function add(a: Float32Array, b: Float32Array, count: number, y: Float32Array): void {
  const on = vectorKernels();
  if (on === null) addReference(a, b, count, y);
  else on.native.add({ instructionSet: on.instructionSet, a, b, count, y });
}

/** The readable version of `add`: the same bits. */
export function addReference(a: Float32Array, b: Float32Array, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = a[i]! + b[i]!;
}

/** `y = gate / (1 + e^-gate) * up` for the first `count` elements, within 1e-6 relatively. */
export function gatedSilu(gate: Float32Array, up: Float32Array, count: number, y: Float32Array): void {
  const on = vectorKernels();
  if (on === null) gatedSiluReference(gate, up, count, y);
  else on.native.gatedSilu({ instructionSet: on.instructionSet, gate, up, count, y });
}

/** The readable version of `gatedSilu`: the same bits. */
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

/** `y = max(x, 0)` for the first `count` elements; NaN stays NaN. */
export function relu(x: Float32Array, count: number, y: Float32Array): void {
  const on = vectorKernels();
  if (on === null) reluReference(x, count, y);
  else on.native.relu({ instructionSet: on.instructionSet, x, count, y });
}

/** The readable version of `relu`: the same bits. */
export function reluReference(x: Float32Array, count: number, y: Float32Array): void {
  for (let i = 0; i < count; i++) y[i] = x[i]! < 0 ? 0 : x[i]!;
}
