import { setTimeout } from 'node:timers/promises';
import { keptScore } from '@esparse/kernels';
import fc from 'fast-check';
import {
  both,
  canonicalOrder,
  foldable,
  global,
  identityOrder,
  isPermutation,
  local,
  lsa,
  maskLinear,
  none,
  type Pattern,
  type ScoreMatrix,
} from '../index.ts';

const shuffles = [none(), global(), local(), both(), lsa(), foldable()];

const patterns: fc.Arbitrary<Pattern> = fc
  .integer({ min: 2, max: 16 })
  .chain((group) => fc.record({ keep: fc.integer({ min: 1, max: group - 1 }), group: fc.constant(group) }));

/** Matrices of up to 12 rows and 20 groups (wider than a block at times), whose columns differ in scale. */
const cases = patterns.chain((pattern) =>
  fc
    .record({ rows: fc.integer({ min: 1, max: 12 }), groups: fc.integer({ min: 1, max: 20 }) })
    .chain(({ rows, groups }) => {
      const cols = groups * pattern.group;
      return fc
        .record({
          scale: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: cols, maxLength: cols }),
          noise: fc.uint8Array({ minLength: rows * cols, maxLength: rows * cols }),
        })
        .map(({ scale, noise }): { pattern: Pattern; matrix: ScoreMatrix } => ({
          pattern,
          matrix: {
            scores: Float32Array.from(noise, (value, i) => (value / 256) * 1.5 ** scale[i % cols]!),
            rows,
            cols,
          },
        }));
    }),
);

test('every shuffle returns a permutation, ascending in each group, and reports the kept score of both orders', () =>
  fc.assert(
    fc.asyncProperty(cases, async ({ pattern, matrix }) => {
      const { scores, rows, cols } = matrix;
      const kept = (order: Int32Array) => keptScore(scores, rows, cols, order, pattern.keep, pattern.group);
      for (const shuffle of shuffles) {
        const { permutation, keptBefore, keptAfter } = await shuffle.order(matrix, pattern);
        expect(isPermutation(permutation, cols)).toBe(true);
        expect(permutation).toEqual(canonicalOrder(permutation, pattern.group));
        expect(keptBefore).toBe(await kept(identityOrder(cols)));
        expect(keptAfter).toBe(await kept(permutation));
      }
    }),
    { numRuns: 15, seed: 2310 },
  ));

test('the local shuffle keeps no less than the original order, both and lsa no less than global', () =>
  fc.assert(
    fc.asyncProperty(cases, async ({ pattern, matrix }) => {
      const alone = await local().order(matrix, pattern);
      expect(alone.keptAfter).toBeGreaterThanOrEqual(alone.keptBefore);
      const dealt = await global().order(matrix, pattern);
      for (const { order } of [both(), lsa()]) {
        expect((await order(matrix, pattern)).keptAfter).toBeGreaterThanOrEqual(dealt.keptAfter);
      }
    }),
    { numRuns: 15, seed: 2310 },
  ));

test('the mask keeps exactly N of M in every row and group, and what it keeps adds up to the kept score', () =>
  fc.assert(
    fc.asyncProperty(cases, async ({ pattern, matrix }) => {
      const { scores, rows, cols } = matrix;
      const { permutation, keptAfter } = await global().order(matrix, pattern);
      const mask = await maskLinear(matrix, permutation, pattern);
      let sum = 0;
      for (let r = 0; r < rows; r++) {
        for (let first = 0; first < cols; first += pattern.group) {
          let count = 0;
          for (let i = first; i < first + pattern.group; i++) {
            if (((mask[r * Math.ceil(cols / 8) + (i >> 3)]! >> (i & 7)) & 1) === 0) continue;
            count++;
            sum += scores[r * cols + permutation[i]!]!;
          }
          expect(count).toBe(pattern.keep);
        }
      }
      expect(Math.abs(sum - keptAfter)).toBeLessThanOrEqual(1e-12 * keptAfter);
    }),
    { numRuns: 15, seed: 2310 },
  ));

test('the global shuffle deals the ranked channels back and forth, one to each group a pass', async () => {
  // Means 0..7: ranks 7 6 5 4 3 2 1 0; two groups get (7 4 3 0) and (6 5 2 1).
  const matrix = { scores: Float32Array.from({ length: 8 }, (_, i) => i), rows: 1, cols: 8 };
  const { permutation } = await global().order(matrix, { keep: 2, group: 4 });
  expect([...permutation]).toEqual([0, 3, 4, 7, 1, 2, 5, 6]);
});

test('channels of equal mean are ranked by their number', async () => {
  const matrix = { scores: new Float32Array(12).fill(1), rows: 1, cols: 12 };
  const { permutation } = await global().order(matrix, { keep: 1, group: 3 });
  expect([...permutation]).toEqual([0, 7, 8, 1, 6, 9, 2, 5, 10, 3, 4, 11]);
});

/** Every way to cut channels into pairs, as orders. */
function pairings(channels: readonly number[]): number[][] {
  const [first, ...others] = channels;
  if (first === undefined) return [[]];
  return others.flatMap((partner) =>
    pairings(others.filter((channel) => channel !== partner)).map((rest) => [first, partner, ...rest]),
  );
}

test('lsa finds the best of all orders of eight channels in pairs, four times out of five', async () => {
  const random = fc.sample(fc.array(fc.nat(99), { minLength: 40, maxLength: 40 }), { numRuns: 40, seed: 1 });
  const pattern = { keep: 1, group: 2 };
  let found = 0;
  for (const values of random) {
    const matrix = { scores: Float32Array.from(values), rows: 5, cols: 8 };
    const kept = (order: number[]) => keptScore(matrix.scores, 5, 8, Int32Array.from(order), 1, 2);
    const best = Math.max(...(await Promise.all(pairings([...Array(8).keys()]).map(kept))));
    const { keptAfter } = await lsa().order(matrix, pattern);
    expect(keptAfter).toBeLessThanOrEqual(best);
    if (keptAfter === best) found++;
  }
  expect(found).toBeGreaterThanOrEqual(32);
});

test('foldable moves channels within spans alone, whole groups of them, alike behind all starts of a span', () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({
        first: fc.nat(9),
        second: fc.nat(30),
        copies: fc.integer({ min: 1, max: 3 }),
        seed: fc.nat(),
      }),
      async ({ first, second, copies, seed }) => {
        const pattern = { keep: 2, group: 4 };
        const channels = 4 * Math.ceil((first + second + 1) / 4);
        const [rows, cols] = [3, copies * channels];
        const scores = Float32Array.from({ length: rows * cols }, (_, i) => ((i + 1) * (seed + 7919)) % 101);
        const startsOf = (from: number) =>
          Array.from({ length: copies }, (_, copy) => copy * channels + from);
        const reach = [
          { starts: startsOf(0), length: first },
          { starts: startsOf(first), length: second },
        ];
        const { permutation, keptBefore, keptAfter } = await foldable().order(
          { scores, rows, cols, reach },
          pattern,
        );
        expect(isPermutation(permutation, cols)).toBe(true);
        expect(keptBefore).toBeGreaterThan(0);
        expect(keptAfter).toBeGreaterThan(0);
        permutation.forEach((channel, at) => {
          const [copy, place] = [Math.floor(at / channels), at % channels];
          const own = channel - copy * channels;
          expect(own).toBe(permutation[place]);
          const spanOf = (one: number) => (one < first ? 0 : one < first + second ? 1 : 2);
          expect(spanOf(own)).toBe(spanOf(place));
          if (spanOf(place) === 2) expect(own).toBe(place);
        });
      },
    ),
    { numRuns: 40, seed: 2310 },
  ));

test('an aborted shuffle is cancelled', async () => {
  const matrix = { scores: new Float32Array(8), rows: 1, cols: 8 };
  await expect(both().order(matrix, { keep: 2, group: 4 }, AbortSignal.abort())).rejects.toMatchObject({
    kind: 'cancelled',
  });
});

test.each([local(), lsa()])(
  '$name that is aborted in the middle of its search ends there',
  async (shuffle) => {
    const [rows, cols] = [2048, 4096];
    const scores = new Float32Array(rows * cols);
    for (let i = 0; i < scores.length; i++) scores[i] = ((i * 7919) % 1009) * (1 + (i % 97));
    const controller = new AbortController();
    const aborted = setTimeout(100).then(() => {
      controller.abort();
      return performance.now();
    });
    const order = shuffle.order({ scores, rows, cols }, { keep: 2, group: 4 }, controller.signal);
    await expect(order).rejects.toMatchObject({ kind: 'cancelled' });
    expect(performance.now() - (await aborted)).toBeLessThan(3000);
  },
);

test('foldable orders stay within heads, equal where heads share values; the residual stream stays as it is', () =>
  fc.assert(
    fc.asyncProperty(cases, fc.integer({ min: 1, max: 3 }), async ({ pattern, matrix }, shared) => {
      const { scores, rows, cols: headDim } = matrix;
      // Two value heads, each read by `shared` query heads; every head has the scores of the matrix.
      const heads = 2 * shared;
      const cols = heads * headDim;
      const wide = new Float32Array(rows * cols);
      for (let i = 0; i < wide.length; i++) {
        const [row, col] = [Math.floor(i / cols), i % cols];
        wide[i] = scores[row * headDim + (col % headDim)]! * (1 + Math.floor(col / headDim));
      }
      const reach = { heads, kvHeads: 2, headDim };
      const { permutation } = await foldable().order({ scores: wide, rows, cols, reach }, pattern);
      for (let head = 0; head < heads; head++) {
        const own = permutation
          .slice(head * headDim, (head + 1) * headDim)
          .map((channel) => channel - head * headDim);
        expect(isPermutation(own, headDim)).toBe(true);
        const first = Math.floor(head / shared) * shared;
        expect(own).toEqual(
          permutation
            .slice(first * headDim, (first + 1) * headDim)
            .map((channel) => channel - first * headDim),
        );
      }
      const stream = await foldable().order({ ...matrix, reach: 'none' }, pattern);
      expect(stream.permutation).toEqual(identityOrder(headDim));
      const free = await foldable().order(matrix, pattern);
      expect(free).toEqual(await both().order(matrix, pattern));
    }),
    { numRuns: 10, seed: 2310 },
  ));
