import { uniform } from '@esparse/laws';
import { narrow, widenReference } from '@esparse/kernels';
import { createMatrixProducts } from '@esparse/onnx';
import { identityOrder, maskLinear, roundLinear } from '@esparse/sparsity';
import { quantize } from './quantize.ts';
import { denseMatrix } from './tap-matrix.ts';

const [ROWS, COLS] = [6, 64];
const random = uniform(17);

let products: Awaited<ReturnType<typeof createMatrixProducts>>;
beforeAll(async () => {
  products = await createMatrixProducts();
});
afterAll(() => products.release());

/** What the stage makes of weights, and what it notes. */
async function quantized(
  values: Float32Array,
  options: Parameters<typeof quantize>[0],
  energy: (a: number, b: number) => number,
) {
  const permutation = identityOrder(COLS);
  const pattern = { keep: 2, group: 4 };
  const shape = { rows: ROWS, cols: COLS };
  const mask = await maskLinear({ scores: values.map(Math.abs), ...shape }, permutation, pattern);
  const survivors = { pattern, permutation, mask };
  const weights = narrow('bf16', values);
  const matrix = Float32Array.from({ length: COLS * COLS }, (_, i) => energy(Math.floor(i / COLS), i % COLS));
  const stage = quantize(options);
  const notes: string[] = [];
  const result = await stage.run(
    {
      ...{ ...shape, dtype: 'bf16', weights, ...survivors },
      statistics: { hessian: denseMatrix(matrix, COLS, products) },
    },
    { note: (text) => notes.push(text), progress: () => undefined },
  );
  await stage.release?.();
  return {
    result,
    notes,
    rounded: (bits: 3 | 4 | 8) =>
      roundLinear({ weights: widenReference('bf16', weights), ...shape }, { bits }, survivors),
  };
}

const usual = () => Float32Array.from({ length: ROWS * COLS }, () => random() - 0.5);

test('inputs that say nothing of each other leave every weight at its nearest integer', async () => {
  const { result, notes, rounded } = await quantized(usual(), { values: 'int4' }, (a, b) =>
    a === b ? 1 : 0,
  );
  expect(result).toEqual({ integers: rounded(4) });
  expect(notes).toEqual([]);
});

// All others are less than half a step of the scale that the largest needs; beside the larger one they are no part of the
// energy.
test.each([
  ['int4', 1000, 'takes [\\d.]+ % of its energy'],
  ['int3', 1000, 'takes [\\d.]+ % of its energy'],
  ['int4', 60_000, 'makes 96.9 % of its weights zero'],
  ['int8', 60_000, 'makes 96.9 % of its weights zero'],
] as const)(
  '%s: an outlier of %d that would make all others zero keeps its linear in 16 bits, and is reported',
  async (kind, outlier, fault) => {
    const values = usual().map((value, at) => Math.sign(value) * (at % COLS === 3 ? outlier : 60));
    const { result, notes } = await quantized(values, { values: kind }, (a, b) => (a === b ? 1 : 0));
    expect(result).toEqual({});
    expect(notes).toEqual([expect.stringMatching(`^rounding to ${kind} ${fault}: it stays bf16$`)]);
  },
);

test('inputs that are always zero have each weight rounded by itself, and are reported', async () => {
  const { result, notes, rounded } = await quantized(usual(), { values: 'int8' }, () => 0);
  expect(result).toEqual({ integers: rounded(8) });
  expect(notes).toEqual([expect.stringContaining('each weight is rounded by itself')]);
});
