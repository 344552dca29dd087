import { uniform } from '@esparse/laws';
import { widenReference } from '@esparse/kernels';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { canonicalOrder, maskLinear } from '@esparse/sparsity';
import { inverseFactor } from './inverse-factor.ts';
import { denseMatrix } from './tap-matrix.ts';
import { sparseGptStage } from './sparse-gpt-stage.ts';
import { sparseGpt } from './sparse-gpt.ts';

let products: MatrixProducts;
beforeAll(async () => {
  products = await createMatrixProducts({ threads: 1 });
});
afterAll(() => products.release());

/** A linear, and inputs of channels of unlike scales that depend on one another, as activations do. */
async function problemOf(rows: number, cols: number, tokens: number, group = 4) {
  const random = uniform(rows + cols, -0.5, 0.5);
  const common = Array.from({ length: tokens }, random);
  const x = Float32Array.from({ length: tokens * cols }, (_, i) => {
    const channel = i % cols;
    return (random() + common[Math.floor(i / cols)]!) * (1 + (channel % 7));
  });
  const hessian = new Float32Array(cols * cols);
  await products.cross(x, x, { rows: cols, inner: tokens, cols }, hessian);
  const weights = Float32Array.from({ length: rows * cols }, random);
  const permutation = canonicalOrder(
    Int32Array.from({ length: cols }, (_, i) => (i * 11 + 3) % cols),
    group,
  );
  return { x, tokens, rows, cols, weights, hessian, permutation, pattern: { keep: group / 2, group } };
}

type Problem = Awaited<ReturnType<typeof problemOf>>;

/** (cols, cols) f64: the inverse, by elimination. */
function inverseOf(matrix: Float64Array, size: number): Float64Array {
  const [left, right] = [matrix.slice(), new Float64Array(size * size)];
  for (let i = 0; i < size; i++) right[i * size + i] = 1;
  for (let k = 0; k < size; k++) {
    const pivot = left[k * size + k]!;
    for (const m of [left, right]) for (let j = 0; j < size; j++) m[k * size + j]! /= pivot;
    for (let i = 0; i < size; i++) {
      const factor = left[i * size + k]!;
      if (i === k || factor === 0) continue;
      for (const m of [left, right])
        for (let j = 0; j < size; j++) m[i * size + j]! -= factor * m[k * size + j]!;
    }
  }
  return right;
}

/**
 * SparseGPT without blocks or factors, in f64, as optimal brain surgeon has it: after every channel the inverse Hessian of
 * those that are left is the old one less a rank; d² is its first diagonal element.
 */
function plain({ rows, cols, weights, hessian, permutation, pattern }: Problem): Float64Array {
  const at = (i: number, j: number) => hessian[permutation[i]! * cols + permutation[j]!]!;
  let trace = 0;
  for (let i = 0; i < cols; i++) trace += at(i, i);
  const damped = Float64Array.from({ length: cols * cols }, (_, k) => {
    const [i, j] = [Math.floor(k / cols), k % cols];
    return at(i, j) + (i === j ? (0.01 * trace) / cols : 0);
  });
  // The inverse of the Hessian of channels i.., for each i: what the i-th step sees.
  const inverses: Float64Array[] = [];
  let inverse = inverseOf(damped, cols);
  for (let i = 0; i < cols; i++) {
    inverses.push(inverse);
    const next = inverse.slice();
    for (let a = i; a < cols; a++) {
      for (let b = i; b < cols; b++) {
        next[a * cols + b]! -= (inverse[a * cols + i]! * inverse[i * cols + b]!) / inverse[i * cols + i]!;
      }
    }
    inverse = next;
  }
  const solved = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const w = Float64Array.from(permutation, (channel) => weights[r * cols + channel]!);
    for (let first = 0; first < cols; first += pattern.group) {
      const members = Array.from({ length: pattern.group }, (_, m) => first + m);
      const loss = members.map((i) => w[i]! ** 2 / inverses[i]![i * cols + i]!);
      const kept = members
        .toSorted((a, b) => loss[b - first]! - loss[a - first]! || a - b)
        .slice(0, pattern.keep);
      for (const i of members) {
        if (kept.includes(i)) continue;
        const h = inverses[i]!;
        const error = w[i]! / h[i * cols + i]!;
        for (let j = i; j < cols; j++) w[j]! -= error * h[i * cols + j]!;
        w[i] = 0;
      }
    }
    permutation.forEach((channel, i) => (solved[r * cols + channel] = w[i]!));
  }
  return solved;
}

/** ‖(W - Ŵ) X‖². */
function errorOf({ x, tokens, rows, cols, weights }: Problem, changed: ArrayLike<number>): number {
  let sum = 0;
  for (let t = 0; t < tokens; t++) {
    for (let r = 0; r < rows; r++) {
      let difference = 0;
      for (let j = 0; j < cols; j++) {
        difference += x[t * cols + j]! * (changed[r * cols + j]! - weights[r * cols + j]!);
      }
      sum += difference ** 2;
    }
  }
  return sum;
}

const bit = (mask: Uint8Array, cols: number, r: number, i: number) =>
  (mask[r * Math.ceil(cols / 8) + (i >> 3)]! >> (i & 7)) & 1;

test.each([
  [4, 24, 4],
  [3, 144, 4],
  [70, 140, 10],
])(
  '%d rows of %d channels, %d to a group, are what the plain method makes of them',
  async (rows, cols, group) => {
    const problem = await problemOf(rows, cols, 3 * cols, group);
    const expected = plain(problem);
    const { weights, mask } = await sparseGpt(problem, products);
    let differing = 0;
    for (let k = 0; k < rows * cols; k++) if ((weights[k] === 0) !== (expected[k] === 0)) differing++;
    // In f32 a group in thousands may find two losses the other way round.
    expect(differing).toBeLessThanOrEqual((rows * cols) / 500);
    if (differing === 0) {
      for (let k = 0; k < rows * cols; k++) expect(Math.abs(weights[k]! - expected[k]!)).toBeLessThan(1e-3);
    }
    problem.permutation.forEach((channel, i) => {
      for (let r = 0; r < rows; r++) {
        if (bit(mask, cols, r, i) === 0) expect(weights[r * cols + channel]).toBe(0);
      }
    });
    expect(errorOf(problem, weights)).toBeLessThan(1.01 * errorOf(problem, expected));
  },
);

test('the output on the inputs is nearer to the dense one than that of a mask alone', async () => {
  const problem = await problemOf(16, 256, 600);
  const { rows, cols, weights, hessian, permutation, pattern } = problem;
  const scores = weights.map((value, k) => Math.abs(value) * Math.sqrt(hessian[(k % cols) * (cols + 1)]!));
  const mask = await maskLinear({ scores, rows, cols }, permutation, pattern);
  const masked = new Float32Array(rows * cols);
  permutation.forEach((channel, i) => {
    for (let r = 0; r < rows; r++)
      masked[r * cols + channel] = bit(mask, cols, r, i) * weights[r * cols + channel]!;
  });
  const solved = await sparseGpt(problem, products);
  expect(errorOf(problem, solved.weights)).toBeLessThan(0.7 * errorOf(problem, masked));
});

test('the factor’s square is the inverse, over several panels', async () => {
  const { hessian, cols } = await problemOf(1, 200, 600);
  for (let i = 0; i < cols; i++) hessian[i * (cols + 1)]! += 50;
  const expected = inverseOf(Float64Array.from(hessian), cols);
  const factor = await inverseFactor(hessian.slice(), cols, products);
  let [worst, below] = [0, 0];
  for (let a = 0; a < cols; a++) {
    for (let b = 0; b < cols; b++) {
      if (b < a) below += Math.abs(factor[a * cols + b]!);
      let sum = 0;
      for (let k = 0; k <= Math.min(a, b); k++) sum += factor[k * cols + a]! * factor[k * cols + b]!;
      const scale = Math.sqrt(expected[a * (cols + 1)]! * expected[b * (cols + 1)]!);
      worst = Math.max(worst, Math.abs(sum - expected[a * cols + b]!) / scale);
    }
  }
  expect(below).toBe(0);
  expect(worst).toBeLessThan(1e-4);
});

test('an input that is always zero prunes its weights and changes nothing else', async () => {
  const problem = await problemOf(4, 24, 100);
  const { cols, rows, hessian } = problem;
  for (let j = 0; j < cols; j++) hessian[5 * cols + j] = hessian[j * cols + 5] = 0;
  const { weights } = await sparseGpt(problem, products);
  for (let r = 0; r < rows; r++) expect(weights[r * cols + 5]).toBe(0);
  expect(weights.every(Number.isFinite)).toBe(true);
});

test('a Hessian that is not positive or not finite is refused', async () => {
  for (const spoil of [
    (h: Float32Array) => (h[25] = -1),
    (h: Float32Array) => (h[9] = h[24 * 9] = NaN),
    (h: Float32Array) => h.fill(0),
    (h: Float32Array) => (h[1] = h[24] = 1e6),
  ]) {
    const problem = await problemOf(2, 24, 100);
    spoil(problem.hessian);
    await expect(sparseGpt(problem, products)).rejects.toMatchObject({ kind: 'numeric' });
  }
});

test('an aborted run ends', async () => {
  const problem = await problemOf(2, 24, 100);
  await expect(sparseGpt(problem, products, { signal: AbortSignal.abort() })).rejects.toThrow();
});

test('as a stage it gives mask and weights, and leaves both where the Hessian is zero', async () => {
  const stage = sparseGptStage();
  const notes: string[] = [];
  const context = { note: (text: string) => notes.push(text), progress: () => undefined };
  const input = (hessian: readonly number[]) => ({
    rows: 1,
    cols: 2,
    dtype: 'bf16' as const,
    // bf16 of 1 and 2.
    weights: Uint16Array.of(0x3f80, 0x4000),
    statistics: { hessian: denseMatrix(Float32Array.from(hessian), 2, products) },
    pattern: { keep: 1, group: 2 },
    permutation: Int32Array.of(0, 1),
    mask: Uint8Array.of(0b01),
  });
  // The channels say the same: the second takes over what the first gave.
  const { weights, mask } = await stage.run(input([1, 0.999, 0.999, 1]), context);
  expect(mask).toEqual(Uint8Array.of(0b10));
  expect(widenReference('bf16', weights!)[0]).toBe(0);
  expect(widenReference('bf16', weights!)[1]).toBeCloseTo(3, 1);
  expect(await stage.run(input([0, 0, 0, 0]), context)).toEqual({});
  expect(notes).toEqual([expect.stringContaining('the mask of the scores stays')]);
  await stage.release?.();
});
