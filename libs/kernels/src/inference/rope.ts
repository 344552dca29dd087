const f = Math.fround;

/** The heads of a rotary embedding. */
export interface RopeShape {
  readonly heads: number;
  readonly headDim: number;
  /** Channels of a head that are rotated, the first ones; even. */
  readonly rotated: number;
}

/** Cosines and sines of the angles, each (positions x rotated / 2). */
export interface AngleTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** The readable version of `InferenceKernels.rope`: the same bits. */
export function ropeReference(
  x: Float32Array,
  { heads, headDim, rotated }: RopeShape,
  { cos, sin }: AngleTables,
  positions: Int32Array,
  tokens: number,
  y: Float32Array,
): void {
  const half = rotated / 2;
  for (let t = 0; t < tokens; t++) {
    const row = positions[t]! * half;
    for (let h = 0; h < heads; h++) {
      const at = (t * heads + h) * headDim;
      for (let j = 0; j < half; j++) {
        const [a, b] = [x[at + j]!, x[at + j + half]!];
        const [c, s] = [cos[row + j]!, sin[row + j]!];
        y[at + j] = f(a * c) - f(b * s);
        y[at + j + half] = f(b * c) + f(a * s);
      }
      for (let j = rotated; j < headDim; j++) y[at + j] = x[at + j]!;
    }
  }
}
