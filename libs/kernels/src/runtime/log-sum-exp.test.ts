import { uniform } from '@esparse/laws';
import { addon } from '../addon.ts';
import { logSumExp, logSumExpReference } from './log-sum-exp.ts';

/** Logits of every size: a row has some thirty that matter, and others far below them. */
function logitsOf(rows: number, cols: number): Float32Array {
  const random = uniform(2310);
  return Float32Array.from({ length: rows * cols }, (_, i) => (random() - 0.5) * (i % 31 === 0 ? 20 : 3000));
}

test('the native addon is the one under test', () => {
  expect(addon()).not.toBeNull();
});

// Rows of fewer numbers than partial sums, of no whole number of them, and larger than a chunk; several in a chunk.
test.each([
  [0, 5],
  [1, 1],
  [7, 15],
  [300, 1000],
  [5, 65_537],
])('%i rows of %i have the bits of the reference, and are the logarithm of the sum', async (rows, cols) => {
  const logits = logitsOf(rows, cols);
  const found = await logSumExp(logits, rows, cols);
  expect(found).toEqual(logSumExpReference(logits, rows, cols));
  for (let r = 0; r < rows; r++) {
    const row = logits.subarray(r * cols, (r + 1) * cols);
    const largest = row.reduce((most, x) => Math.max(most, x), -Infinity);
    const sum = row.reduce((total, x) => total + Math.exp(x - largest), 0);
    expect(Math.abs(found[r]! - largest - Math.log(sum))).toBeLessThan(1e-12);
  }
});

test.each([NaN, Infinity])('a row with %d is not a number, wherever it lies; others are', async (wrong) => {
  for (const at of [0, 17, 39]) {
    const logits = new Float32Array(120).fill(-1);
    logits[40 + at] = wrong;
    const found = await logSumExp(logits, 3, 40);
    expect([...found].map(Number.isNaN)).toEqual([false, true, false]);
    expect(logSumExpReference(logits, 3, 40)).toEqual(found);
  }
});

test('-Infinity has no part in the sum, and alone is not a number', async () => {
  const logits = Float32Array.of(-Infinity, 2, -Infinity, 2, -Infinity, -Infinity, -Infinity, -Infinity);
  const found = await logSumExp(logits, 2, 4);
  expect(found[0]).toBeCloseTo(2 + Math.LN2, 14);
  expect(found[1]).toBeNaN();
  expect(logSumExpReference(logits, 2, 4)).toEqual(found);
});

test('a matrix of another size than its shape is refused', async () => {
  await expect(logSumExp(new Float32Array(5), 2, 3)).rejects.toMatchObject({ kind: 'usage' });
});
