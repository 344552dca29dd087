const f = Math.fround;

/** The readable version of `InferenceKernels.rope`: the same bits. */
export function ropeReference(
  x: Float32Array,
  heads: number,
  headDim: number,
  cos: Float32Array,
  sin: Float32Array,
  positions: Int32Array,
  tokens: number,
  y: Float32Array,
): void {
  const half = headDim / 2;
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
    }
  }
}
