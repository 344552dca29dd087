import { uniform } from '@esparse/laws';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { choiceInverse, groupChoices } from './group-choices.ts';
import { denseMatrix } from './tap-matrix.ts';
import { refineMask, type MaskProblem } from './refine-mask.ts';

let products: MatrixProducts;
beforeAll(async () => {
  products = await createMatrixProducts({ threads: 1 });
});
afterAll(() => products.release());

/** A problem with a shift, and its H as a matrix. */
type PosedProblem = MaskProblem & { readonly matrix: Float32Array; readonly shift: Float32Array };

/** Dependent channels in a shuffled order, and a target that is shifted as far as the weights are large. */
function problemOf(rows: number, cols: number, keep: number, group: number): PosedProblem {
  const random = uniform(rows + cols, -0.5, 0.5);
  const hessian = new Float32Array(cols * cols);
  for (let token = 0; token < 2 * cols; token++) {
    const common = random();
    const x = Float64Array.from({ length: cols }, () => random() + common);
    for (let i = 0; i < cols; i++)
      for (let j = 0; j < cols; j++) hessian[i * cols + j] = hessian[i * cols + j]! + x[i]! * x[j]!;
  }
  const permutation = Int32Array.from({ length: cols }, (_, i) => (i * 7 + 3) % cols);
  const weights = Float32Array.from({ length: rows * cols }, random);
  return {
    rows,
    cols,
    weights,
    shift: Float32Array.from({ length: rows * cols }, () => cols * random()),
    matrix: hessian,
    hessian: denseMatrix(hessian, cols, products),
    damping: 0.5,
    pattern: { keep, group },
    permutation,
  };
}

/** The first N of every group, unchanged. */
function firstOfGroups({ rows, cols, weights, permutation, pattern }: MaskProblem): Float32Array {
  const sparse = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    permutation.forEach((channel, i) => {
      if (i % pattern.group < pattern.keep) sparse[r * cols + channel] = weights[r * cols + channel]!;
    });
  }
  return sparse;
}

/** Of each row, (ŵ - w) (H + λI) (ŵ - w)ᵀ - 2 s (ŵ - w)ᵀ. */
function errorsOf(
  { rows, cols, weights, shift, matrix: hessian, damping }: PosedProblem,
  sparse: Float32Array,
): number[] {
  return Array.from({ length: rows }, (_, r) => {
    let error = 0;
    const d = Float64Array.from({ length: cols }, (__, j) => sparse[r * cols + j]! - weights[r * cols + j]!);
    for (let i = 0; i < cols; i++) {
      error += damping * d[i]! ** 2 - 2 * shift[r * cols + i]! * d[i]!;
      for (let j = 0; j < cols; j++) error += d[i]! * hessian[i * cols + j]! * d[j]!;
    }
    return error;
  });
}

const errorOf = (problem: PosedProblem, sparse: Float32Array) =>
  errorsOf(problem, sparse).reduce((sum, error) => sum + error, 0);

test.each([
  [2, 4],
  [4, 8],
  [1, 4],
])('the error falls with every sweep at %d:%d, and each group keeps N of M', async (keep, group) => {
  const problem = problemOf(5, 160, keep, group);
  const { rows, cols, permutation } = problem;
  const sparse = firstOfGroups(problem);
  let before = errorOf(problem, sparse);
  for (let sweep = 0; sweep < 3; sweep++) {
    expect(await refineMask(problem, sparse, products, { sweeps: 1 })).toBe(true);
    const after = errorOf(problem, sparse);
    expect(after).toBeLessThan(before);
    before = after;
  }
  for (let r = 0; r < rows; r++) {
    for (let at = 0; at < cols; at += group) {
      const kept = [...permutation.subarray(at, at + group)].filter((c) => sparse[r * cols + c] !== 0);
      expect(kept).toHaveLength(keep);
    }
  }
});

test('the error of every row falls, of those beyond the rows that descend together, too', async () => {
  const problem = problemOf(1030, 16, 2, 4);
  const sparse = firstOfGroups(problem);
  const before = errorsOf(problem, sparse);
  await refineMask(problem, sparse, products, { sweeps: 1 });
  const after = errorsOf(problem, sparse);
  expect(before.findIndex((error, r) => !(after[r]! < error))).toBe(-1);
});

test('three sweeps in one call are three calls of one sweep', async () => {
  const problem = problemOf(3, 136, 2, 4);
  const [together, apart] = [firstOfGroups(problem), firstOfGroups(problem)];
  await refineMask(problem, together, products, { sweeps: 3 });
  for (let sweep = 0; sweep < 3; sweep++) await refineMask(problem, apart, products, { sweeps: 1 });
  for (const [i, value] of together.entries()) expect(apart[i]).toBeCloseTo(value, 3);
});

test('a pattern with too many choices keeps its mask', async () => {
  const problem = problemOf(2, 32, 8, 16);
  const sparse = firstOfGroups(problem);
  const before = sparse.slice();
  expect(await refineMask(problem, sparse, products, { sweeps: 1 })).toBe(false);
  expect(sparse).toEqual(before);
});

test('a Hessian that is not positive is refused', async () => {
  const problem = problemOf(2, 8, 2, 4);
  problem.matrix.fill(-1);
  await expect(refineMask(problem, firstOfGroups(problem), products, { sweeps: 1 })).rejects.toMatchObject({
    kind: 'numeric',
  });
});

test('the choices are all ways to keep N of M, each once', () => {
  expect(groupChoices({ keep: 2, group: 4 })!.map((choice) => [...choice])).toEqual([
    [0, 1],
    [0, 2],
    [0, 3],
    [1, 2],
    [1, 3],
    [2, 3],
  ]);
  expect(groupChoices({ keep: 4, group: 8 })).toHaveLength(70);
  expect(groupChoices({ keep: 8, group: 16 })).toBeUndefined();
});

test('the inverse of a choice is the inverse of what it keeps', () => {
  const matrix = [4, 1, 9, 2, 1, 3, 9, 0.5, 9, 9, 9, 9, 2, 0.5, 9, 5];
  const inverse = choiceInverse(Int32Array.of(0, 1, 3), (a, b) => matrix[a * 4 + b]!);
  const kept = [4, 1, 2, 1, 3, 0.5, 2, 0.5, 5];
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      let sum = 0;
      for (let k = 0; k < 3; k++) sum += kept[i * 3 + k]! * inverse[k * 3 + j]!;
      expect(sum).toBeCloseTo(i === j ? 1 : 0, 12);
    }
  }
});
