import { uniform } from '@esparse/laws';
import { addon } from '../addon.ts';
import { groupDescent, type GroupDescentProblem } from './group-descent.ts';
import { groupDescentReference } from './group-descent-reference.ts';

/** 2:4 over `groups` groups of `rows` rows: dense weights pruned to their first two, and the gradient of that. */
function problemOf(rows: number, groups: number) {
  const random = uniform(rows * 31 + groups, -0.5, 0.5);
  const [width, tokens] = [groups * 4, groups * 12];
  const x = Array.from({ length: tokens }, () => {
    const common = random();
    return Array.from({ length: width }, () => random() + common);
  });
  const hessian = new Float32Array(width * width);
  for (let a = 0; a < width; a++) {
    for (let b = 0; b < width; b++) {
      hessian[a * width + b] = x.reduce((sum, row) => sum + row[a]! * row[b]!, a === b ? 0.1 : 0);
    }
  }
  const pairs = [0, 1, 2, 3].flatMap((a) => [0, 1, 2, 3].filter((b) => b > a).map((b) => [a, b] as const));
  const inverses = Array.from({ length: groups }, (_, q) =>
    pairs.flatMap(([a, b]) => {
      const at = (i: number, j: number) => hessian[(q * 4 + i) * width + q * 4 + j]!;
      const scale = 1 / (at(a, a) * at(b, b) - at(a, b) ** 2);
      return [at(b, b) * scale, -at(a, b) * scale, -at(a, b) * scale, at(a, a) * scale];
    }),
  ).flat();
  const dense = Float32Array.from({ length: rows * width }, random);
  const weights = dense.map((value, i) => (i % 4 < 2 ? value : 0));
  const gradient = Float32Array.from({ length: rows * width }, (_, i) => {
    const [r, j] = [Math.floor(i / width), i % width];
    let sum = 0;
    for (let k = 0; k < width; k++) {
      sum += (weights[r * width + k]! - dense[r * width + k]!) * hessian[k * width + j]!;
    }
    return sum;
  });
  const problem: GroupDescentProblem = {
    rows,
    width,
    keep: 2,
    group: 4,
    places: Int32Array.from(pairs.flat()),
    inverses: Float64Array.from(inverses),
    hessian,
    weights,
    gradient,
  };
  return { problem, dense };
}

function errorOf({ rows, width, hessian, weights }: GroupDescentProblem, dense: Float32Array): number {
  let error = 0;
  for (let r = 0; r < rows; r++) {
    const d = (j: number) => weights[r * width + j]! - dense[r * width + j]!;
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) error += d(i) * hessian[i * width + j]! * d(j);
    }
  }
  return error;
}

test.each([
  [1, 1],
  [5, 3],
  [37, 16],
])('%d rows of %d groups come out the same natively and in TypeScript', async (rows, groups) => {
  expect(addon()).not.toBeNull();
  const { problem } = problemOf(rows, groups);
  const reference = { ...problem, weights: problem.weights.slice(), gradient: problem.gradient.slice() };
  await groupDescent(problem);
  groupDescentReference(reference);
  expect(problem.weights).toEqual(reference.weights);
  expect(problem.gradient).toEqual(reference.gradient);
});

test('each sweep lowers the error, and every group keeps two of four', async () => {
  const { problem, dense } = problemOf(9, 8);
  let before = errorOf(problem, dense);
  for (let sweep = 0; sweep < 3; sweep++) {
    await groupDescent(problem);
    const after = errorOf(problem, dense);
    expect(after).toBeLessThan(before);
    before = after;
  }
  for (let i = 0; i < problem.weights.length; i += 4) {
    expect(problem.weights.subarray(i, i + 4).filter((value) => value !== 0)).toHaveLength(2);
  }
});

test('one group is solved at once: no other two of four do better', async () => {
  const { problem, dense } = problemOf(6, 1);
  await groupDescent(problem);
  const best = errorOf(problem, dense);
  for (let pair = 0; pair < 6; pair++) {
    const only = {
      ...problem,
      places: problem.places.slice(pair * 2, pair * 2 + 2),
      inverses: problem.inverses.slice(pair * 4, pair * 4 + 4),
      weights: new Float32Array(problem.weights.length),
      gradient: problem.gradient.slice(),
    };
    // The gradient at zero weights.
    const gradient = Float32Array.from({ length: 24 }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < 4; k++)
        sum -= dense[Math.floor(i / 4) * 4 + k]! * problem.hessian[k * 4 + (i % 4)]!;
      return sum;
    });
    await groupDescent({ ...only, gradient });
    expect(errorOf(only, dense)).toBeGreaterThan(best - 1e-3);
  }
});

test('arrays that do not fit one another are refused', async () => {
  const { problem } = problemOf(2, 2);
  await expect(groupDescent({ ...problem, gradient: new Float32Array(3) })).rejects.toMatchObject({
    kind: 'usage',
  });
});
