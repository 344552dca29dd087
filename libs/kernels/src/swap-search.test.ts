import fc from 'fast-check';
import { keptScore, keptScoreReference, swapSearch } from './index.ts';

/** Scores of columns of very different importance, from a small seeded generator. */
function unevenScores(rows: number, cols: number, seed: number): Float32Array {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const scale = Array.from({ length: cols }, () => Math.exp(3 * random()));
  return Float32Array.from({ length: rows * cols }, (_, i) => random() * scale[i % cols]!);
}

const identity = (cols: number) => Int32Array.from({ length: cols }, (_, i) => i);

test('no swap of two channels of a block gains anything after the search', () =>
  fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.integer({ min: 1, max: 20 }),
      fc
        .integer({ min: 2, max: 5 })
        .chain((group) => fc.tuple(fc.integer({ min: 1, max: group - 1 }), fc.constant(group))),
      async (seed, rows, [keep, group]) => {
        const cols = group * 4;
        const scores = unevenScores(rows, cols, seed);
        const { permutation, keptBefore, keptAfter } = await swapSearch(
          scores,
          rows,
          cols,
          identity(cols),
          keep,
          group,
          cols,
        );
        expect(keptBefore).toBe(keptScoreReference(scores, rows, cols, identity(cols), keep, group));
        expect(keptAfter).toBe(keptScoreReference(scores, rows, cols, permutation, keep, group));
        for (let p = 0; p < cols; p++) {
          for (let q = p + 1; q < cols; q++) {
            const swapped = permutation.with(p, permutation[q]!).with(q, permutation[p]!);
            const kept = keptScoreReference(scores, rows, cols, swapped, keep, group);
            expect(kept - keptAfter).toBeLessThanOrEqual(keptAfter * 2 ** -23);
          }
        }
      },
    ),
    { numRuns: 15, seed: 2310 },
  ));

test('the search separates what two groups compete for', async () => {
  // One row; channels 0 and 1 are large and share a group that keeps one.
  const scores = Float32Array.of(9, 8, 1, 2);
  const found = await swapSearch(scores, 1, 4, identity(4), 1, 2, 4);
  expect(found).toMatchObject({ keptBefore: 11, keptAfter: 17, swaps: 1 });
  // Swapping (0, 2), (0, 3), (1, 2) or (1, 3) gains the same: the lowest pair is taken.
  expect(found.permutation).toEqual(Int32Array.of(2, 1, 0, 3));
});

test('channels stay in their block, the shorter tail included, and the kept score never falls', async () => {
  const [rows, cols, blockSize] = [100, 88, 32];
  const scores = unevenScores(rows, cols, 7);
  const start = identity(cols).reverse();
  const found = await swapSearch(scores, rows, cols, start, 2, 4, blockSize);
  for (let first = 0; first < cols; first += blockSize) {
    const end = Math.min(first + blockSize, cols);
    expect(found.permutation.slice(first, end).sort()).toEqual(start.slice(first, end).sort());
  }
  expect(found.keptAfter).toBeGreaterThan(found.keptBefore);
  expect(found.keptAfter).toBe(await keptScore(scores, rows, cols, found.permutation, 2, 4));
});

test('nothing is swapped where nothing can be gained', async () => {
  const scores = new Float32Array(70 * 16).fill(0.1);
  const found = await swapSearch(scores, 70, 16, identity(16), 2, 4, 16);
  expect(found).toMatchObject({ permutation: identity(16), swaps: 0 });
});

test('a block that is no multiple of the group up to 256 is refused', async () => {
  for (const blockSize of [0, 6, 260]) {
    await expect(swapSearch(new Float32Array(8), 1, 8, identity(8), 2, 4, blockSize)).rejects.toMatchObject({
      kind: 'usage',
    });
  }
});
