import { uniform } from '@esparse/laws';
import { widenReference } from '@esparse/kernels';
import { createMatrixProducts } from '@esparse/onnx';
import {
  identityOrder,
  maskLinear,
  roundLinear,
  type IntegerWeights,
  type RoundingOptions,
  type Survivors,
} from '@esparse/sparsity';
import { integerDescent } from './integer-descent.ts';
import { denseMatrix } from './tap-matrix.ts';

const [ROWS, COLS, TOKENS] = [24, 160, 600];
const random = uniform(11);
const weights = Float32Array.from({ length: ROWS * COLS }, () => random() - 0.5);

/** Xᵀ X of inputs whose channels say much of each other. */
const hessian = (() => {
  const x = Array.from({ length: TOKENS }, () => {
    const common = random() - 0.5;
    return Float32Array.from({ length: COLS }, (_, c) => common + (random() - 0.5) * (1 + (c % 7)) * 0.4);
  });
  return Float32Array.from({ length: COLS * COLS }, (_, i) => {
    const [a, b] = [Math.floor(i / COLS), i % COLS];
    return x.reduce((sum, row) => sum + row[a]! * row[b]!, 0);
  });
})();

let products: Awaited<ReturnType<typeof createMatrixProducts>>;
beforeAll(async () => {
  products = await createMatrixProducts();
});
afterAll(() => products.release());

async function problem(keep: number, group: number) {
  const pattern = { keep, group };
  const permutation = identityOrder(COLS).reverse();
  const scores = weights.map(Math.abs);
  const mask = await maskLinear({ scores, rows: ROWS, cols: COLS }, permutation, pattern);
  const survivors: Survivors = { pattern, permutation, mask };
  const kept = new Float32Array(ROWS * COLS);
  for (let r = 0; r < ROWS; r++) {
    for (let i = 0; i < COLS; i++) {
      const at = r * COLS + permutation[i]!;
      if ((mask[r * (COLS / 8) + (i >> 3)]! >> (i & 7)) & 1) kept[at] = weights[at]!;
    }
  }
  return { rows: ROWS, cols: COLS, weights: kept, hessian: denseMatrix(hessian, COLS, products), survivors };
}

/** (w - ŵ) H (w - ŵ)ᵀ of each row: what rounding changes in its output. */
function changes(
  { integers, scales, span }: IntegerWeights,
  { weights: kept, survivors: { permutation, pattern } }: Awaited<ReturnType<typeof problem>>,
): number[] {
  const widths = widenReference('bf16', scales);
  const size = span * pattern.group;
  const spans = Math.ceil(COLS / size);
  return Array.from({ length: ROWS }, (_, r) => {
    const lost = new Float64Array(COLS);
    for (let i = 0; i < COLS; i++) {
      const at = r * COLS + permutation[i]!;
      // Zero where nothing survives: neither has such integers.
      lost[permutation[i]!] = kept[at]! - integers[at]! * widths[r * spans + Math.floor(i / size)]!;
    }
    let sum = 0;
    for (let a = 0; a < COLS; a++)
      for (let b = 0; b < COLS; b++) sum += lost[a]! * hessian[a * COLS + b]! * lost[b]!;
    return sum;
  });
}

/** Rounded to the nearest, then descended. */
async function descend(
  given: Awaited<ReturnType<typeof problem>>,
  options: RoundingOptions,
  signal?: AbortSignal,
): Promise<IntegerWeights> {
  const integers = roundLinear(given, options, given.survivors);
  await integerDescent(given, integers, products, { signal });
  return integers;
}

const totalOf = (rows: number[]) => rows.reduce((sum, row) => sum + row, 0);

test.each([
  [2, 4, 4, 0.9],
  [2, 4, 3, 0.8],
  [4, 8, 4, 0.8],
  [2, 5, 8, 0.95],
  [7, 8, 4, 0.75],
] as const)(
  '%i:%i in %i bits: the outputs change by less than with each rounded to the nearest, and those of no row by more',
  async (keep, group, bits, most) => {
    const given = await problem(keep, group);
    const options = { bits, group: 16 };
    const rounded = roundLinear(given, options, given.survivors);
    const descended = await descend(given, options);
    expect(descended).toMatchObject({ span: rounded.span, scales: rounded.scales });
    const [after, before] = [changes(descended, given), changes(rounded, given)];
    expect(totalOf(after) / totalOf(before)).toBeLessThan(most);
    for (const [row, change] of after.entries())
      expect(change).toBeLessThanOrEqual(before[row]! * (1 + 1e-5));
  },
);

test('survivors alone get integers, and an equal call gives equal bits', async () => {
  const given = await problem(2, 4);
  const [a, b] = [await descend(given, { bits: 8 }), await descend(given, { bits: 8 })];
  expect(a).toEqual(b);
  a.integers.forEach((integer, at) => {
    if (given.weights[at] === 0) expect(integer).toBe(0);
  });
});

test('a Hessian of zeros is refused, and a cancelled call ends', async () => {
  const given = await problem(2, 4);
  const zeros = denseMatrix(new Float32Array(COLS * COLS), COLS, products);
  await expect(descend({ ...given, hessian: zeros }, { bits: 4 })).rejects.toMatchObject({
    kind: 'numeric',
  });
  const signal = AbortSignal.abort(new Error('stop'));
  await expect(descend(given, { bits: 4 }, signal)).rejects.toThrow('stop');
});
