import fc from 'fast-check';
import { createMatrixProducts, type MatrixProducts } from './matrix-products.ts';

const NUMBERS = Float32Array.from({ length: 600 * 600 }, (_, i) => Math.sin(i * 12.9898));
const of = (count: number) => NUMBERS.subarray(0, count);

const all: MatrixProducts[] = [];
beforeAll(async () => {
  for (const threads of [1, 2, 5, 9]) all.push(await createMatrixProducts({ threads }));
});
afterAll(() => Promise.all(all.map((products) => products.release())));

const sizes = fc.record({
  rows: fc.integer({ min: 1, max: 150 }),
  inner: fc.integer({ min: 1, max: 600 }),
  cols: fc.integer({ min: 1, max: 600 }),
});

test.each(['product', 'cross'] as const)(
  'a %s has the same bits with any number of threads',
  async (name) => {
    await fc.assert(
      fc.asyncProperty(sizes, async ({ rows, inner, cols }) => {
        const outs: Float32Array[] = [];
        for (const products of all) {
          const out = new Float32Array(rows * cols);
          await products[name](of(rows * inner), of(inner * cols), { rows, inner, cols }, out);
          outs.push(out);
        }
        for (const out of outs) expect(out).toEqual(outs[0]);
      }),
      // One column is a product of its own in the runtime.
      { numRuns: 60, examples: [[{ rows: 130, inner: 505, cols: 1 }]] },
    );
  },
);

test('they are the sums of their products', async () => {
  const [rows, inner, cols] = [3, 40, 70];
  const out = new Float32Array(rows * cols);
  await all[0]!.product(of(rows * inner), of(inner * cols), { rows, inner, cols }, out);
  for (const [r, c] of [
    [0, 0],
    [2, 69],
  ] as const) {
    let sum = 0;
    for (let i = 0; i < inner; i++) sum += NUMBERS[r * inner + i]! * NUMBERS[i * cols + c]!;
    expect(out[r * cols + c]).toBeCloseTo(sum, 4);
  }
});
