import { uniform } from '@esparse/laws';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { denseMatrix } from './tap-matrix.ts';
import { solveSurvivors } from './survivors.ts';

let products: MatrixProducts;
beforeAll(async () => {
  products = await createMatrixProducts({ threads: 1 });
});
afterAll(() => products.release());

async function problemOf(rows: number, cols: number, tokens: number) {
  const random = uniform(rows + cols, -0.5, 0.5);
  // Channels of unlike scales that depend on one another, as activations do.
  const common = Array.from({ length: tokens }, random);
  const x = Float32Array.from({ length: tokens * cols }, (_, i) => {
    const channel = i % cols;
    return (random() + common[Math.floor(i / cols)]!) * (1 + (channel % 7));
  });
  const hessian = new Float32Array(cols * cols);
  await products.cross(x, x, { rows: cols, inner: tokens, cols }, hessian);
  const weights = Float32Array.from({ length: rows * cols }, random);
  const kept = Float32Array.from({ length: rows * cols }, (_, i) =>
    (i * 7 + Math.floor(i / cols)) % 4 < 2 ? 1 : 0,
  );
  let trace = 0;
  for (let j = 0; j < cols; j++) trace += hessian[j * cols + j]!;
  const damping = (0.01 * trace) / cols;
  return {
    x,
    matrix: hessian,
    problem: { rows, cols, weights, kept, hessian: denseMatrix(hessian, cols, products), damping },
  };
}

/** (H_SS + λI)⁻¹ (w (H + λI) + shift)_S of one row by elimination, in f64. */
function direct(
  { matrix: hessian, problem: { cols, weights, kept, damping } }: Awaited<ReturnType<typeof problemOf>>,
  r: number,
  shift?: Float32Array,
) {
  const survivors = Array.from({ length: cols }, (_, j) => j).filter((j) => kept[r * cols + j] === 1);
  const h = (i: number, j: number) => hessian[i * cols + j]! + (i === j ? damping : 0);
  const system = survivors.map((i) => {
    let target = shift?.[r * cols + i] ?? 0;
    for (let j = 0; j < cols; j++) target += h(i, j) * weights[r * cols + j]!;
    return [...survivors.map((j) => h(i, j)), target];
  });
  for (let k = 0; k < system.length; k++) {
    for (let i = 0; i < system.length; i++) {
      if (i === k) continue;
      const factor = system[i]![k]! / system[k]![k]!;
      for (let j = k; j <= system.length; j++) system[i]![j]! -= factor * system[k]![j]!;
    }
  }
  const row = new Float64Array(cols);
  for (const [k, j] of survivors.entries()) row[j] = system[k]![survivors.length]! / system[k]![k]!;
  return row;
}

test('the survivors are the least-squares solution, and nothing else is touched', async () => {
  const posed = await problemOf(5, 48, 200);
  const { problem } = posed;
  const solved = await solveSurvivors(problem, { tolerance: 1e-6, steps: 200 });
  for (let r = 0; r < 5; r++) {
    const expected = direct(posed, r);
    for (let j = 0; j < 48; j++) {
      if (problem.kept[r * 48 + j] === 0) expect(solved[r * 48 + j]).toBe(0);
      else expect(solved[r * 48 + j]).toBeCloseTo(expected[j]!, 3);
    }
  }
});

test('with a shift it is the solution for the shifted right-hand side', async () => {
  const posed = await problemOf(5, 48, 200);
  const { problem } = posed;
  const shift = problem.weights.map((value, i) => 300 * value * Math.cos(i));
  // Rows are solved in parts of a thousand: each has its own part of the shift.
  const many = 300;
  const tiled = (matrix: Float32Array) =>
    Float32Array.from({ length: many * matrix.length }, (_, i) => matrix[i % matrix.length]!);
  const solved = await solveSurvivors(
    {
      ...problem,
      rows: many * 5,
      weights: tiled(problem.weights),
      kept: tiled(problem.kept),
      shift: tiled(shift),
    },
    { tolerance: 1e-6, steps: 200 },
  );
  let moved = 0;
  for (let r = 0; r < 5; r++) {
    const [expected, before] = [direct(posed, r, shift), direct(posed, r)];
    for (let j = 0; j < 48; j++) {
      moved = Math.max(moved, Math.abs(expected[j]! - before[j]!));
      for (const copy of [0, many - 1]) expect(solved[(copy * 5 + r) * 48 + j]).toBeCloseTo(expected[j]!, 3);
    }
  }
  expect(moved).toBeGreaterThan(0.05);
});

test('the output on the inputs is nearer to the dense one than that of the unchanged survivors', async () => {
  const { problem, x } = await problemOf(8, 64, 300);
  const solved = await solveSurvivors(problem);
  const error = (weights: Float32Array) => {
    let sum = 0;
    for (let t = 0; t < 300; t++) {
      for (let r = 0; r < 8; r++) {
        let difference = 0;
        for (let j = 0; j < 64; j++) {
          difference += x[t * 64 + j]! * (weights[r * 64 + j]! - problem.weights[r * 64 + j]!);
        }
        sum += difference ** 2;
      }
    }
    return sum;
  };
  const unchanged = problem.weights.map((value, i) => value * problem.kept[i]!);
  expect(error(solved)).toBeLessThan(0.5 * error(unchanged));
});

test('a Hessian that is not finite is refused', async () => {
  const { problem, matrix } = await problemOf(2, 8, 20);
  matrix[9] = NaN;
  await expect(
    solveSurvivors({ ...problem, hessian: denseMatrix(matrix, 8, products) }),
  ).rejects.toMatchObject({ kind: 'numeric' });
});
