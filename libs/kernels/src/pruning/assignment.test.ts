import { setTimeout } from 'node:timers/promises';
import { uniform } from '@esparse/laws';
import fc from 'fast-check';
import { assign, assignReference } from './assignment.ts';

/** Square matrices: of few distinct values (ties), of unlike ones, and of products, where the paths are long. */
const matrices = fc.integer({ min: 1, max: 6 }).chain((size) =>
  fc
    .oneof(
      fc.array(fc.integer({ min: -3, max: 3 }), { minLength: size * size, maxLength: size * size }),
      fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), {
        minLength: size * size,
        maxLength: size * size,
      }),
      fc
        .array(fc.double({ min: 0, max: 9, noNaN: true }), { minLength: 2 * size, maxLength: 2 * size })
        .map((sides) =>
          Array.from(
            { length: size * size },
            (_, k) => sides[Math.floor(k / size)]! * sides[size + (k % size)]!,
          ),
        ),
    )
    .map((values) => ({ size, values: Float32Array.from(values) })),
);

function sumOf(values: Float32Array, size: number, columns: Iterable<number>): number {
  return Array.from(columns, (j, i) => values[i * size + j]!).reduce((sum, value) => sum + value, 0);
}

/** The largest sum of all assignments, by trying each. */
function bruteForce(values: Float32Array, size: number, row = 0, taken: number[] = []): number {
  if (row === size) return sumOf(values, size, taken);
  let best = -Infinity;
  for (let j = 0; j < size; j++) {
    if (!taken.includes(j)) best = Math.max(best, bruteForce(values, size, row + 1, [...taken, j]));
  }
  return best;
}

test('every row has a column of its own, and no assignment has a larger sum', () =>
  fc.assert(
    fc.asyncProperty(matrices, async ({ size, values }) => {
      const columns = await assign(values, size);
      expect([...columns].sort((a, b) => a - b)).toEqual([...Array(size).keys()]);
      const best = bruteForce(values, size);
      expect(Math.abs(sumOf(values, size, columns) - best)).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(best)));
    }),
    { numRuns: 150, seed: 2402 },
  ));

test('natively and in TypeScript the same columns are found, ties and all', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 70 }),
      fc.constantFrom(1, 2, 50, 1e6),
      fc.constantFrom(1, 1e4),
      fc.nat(),
      async (size, distinct, scale, seed) => {
        const random = uniform(seed, 0, distinct);
        const values = Float32Array.from({ length: size * size }, () => Math.floor(random()) / 7);
        // A column, and a row, far beyond the others.
        for (let i = 0; i < size; i++) values[i * size] = values[i * size]! * scale;
        for (let j = 0; j < size; j++) values[j] = values[j]! * scale;
        expect(await assign(values, size)).toEqual(assignReference(values, size));
      },
    ),
    { numRuns: 60, seed: 2402 },
  ));

test('where all columns are alike but for the last place, and where some rows are the same, no other pairs add up to more', async () => {
  const size = 60;
  const random = uniform(5);
  for (const kinds of [1, 7, size]) {
    const rows = Array.from({ length: kinds }, () =>
      Float32Array.from({ length: size }, () => 1 + Math.round(4 * random()) * 2 ** -23),
    );
    const values = new Float32Array(size * size);
    for (let i = 0; i < size; i++) values.set(rows[i % kinds]!, i * size);
    const columns = await assign(values, size);
    expect(columns).toEqual(assignReference(values, size));
    expect([...columns].sort((a, b) => a - b)).toEqual([...Array(size).keys()]);
    // No two rows gain by changing columns.
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < i; k++) {
        const own = values[i * size + columns[i]!]! + values[k * size + columns[k]!]!;
        const changed = values[i * size + columns[k]!]! + values[k * size + columns[i]!]!;
        expect(own).toBeGreaterThanOrEqual(changed);
      }
    }
  }
});

test('an assignment that is aborted ends soon', async () => {
  const size = 4096;
  const values = new Float32Array(size * size);
  for (let k = 0; k < values.length; k++) values[k] = ((k * 7919) % 1009) * (k % 97);
  const controller = new AbortController();
  const pending = assign(values, size, controller.signal);
  const aborted = setTimeout(20).then(() => {
    controller.abort();
    return performance.now();
  });
  await expect(pending).rejects.toMatchObject({ kind: 'cancelled' });
  expect(performance.now() - (await aborted)).toBeLessThan(1500);
});

test('what is not finite, or not square, is refused', async () => {
  for (const wrong of [NaN, Infinity]) {
    await expect(assign(Float32Array.of(1, 2, wrong, 4), 2)).rejects.toMatchObject({ kind: 'usage' });
  }
  await expect(assign(new Float32Array(5), 2)).rejects.toMatchObject({ kind: 'usage' });
});
