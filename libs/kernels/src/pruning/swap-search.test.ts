import { setTimeout } from 'node:timers/promises';
import { uniform } from '@esparse/laws';
import fc from 'fast-check';
import { addon } from '../addon.ts';
import { collectGarbage } from '../testing/collect-garbage.ts';
import { keptScore, keptScoreReference } from './kept-score.ts';
import { MAX_BLOCK, MAX_SWAPS_PER_CHANNEL, SWAP_TOLERANCE, swapSearch } from './swap-search.ts';

/** Scores of columns of very different importance. */
function unevenScores(rows: number, cols: number, seed: number): Float32Array {
  const random = uniform(seed);
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

/** Scores of which no two blocks are equal, made quickly. */
function manyScores(rows: number, cols: number): Float32Array {
  const pool = unevenScores(251, 263, 11);
  const scores = new Float32Array(rows * cols);
  for (let at = 0; at < scores.length; at += pool.length)
    scores.set(pool.subarray(0, Math.min(pool.length, scores.length - at)), at);
  return scores;
}

const native = addon() === null ? test.skip : test;

native(
  'an aborted search leaves the blocks that it has not begun, and the next one is as if it had not been',
  async () => {
    const [rows, cols, blockSize] = [1024, 64 * MAX_BLOCK, MAX_BLOCK];
    const small = unevenScores(70, 64, 5);
    const expected = await swapSearch(small, 70, 64, identity(64), 2, 4, 64);
    const [cancel, out] = [new Int32Array(1), new Int32Array(cols).fill(-1)];
    const search = addon()!.swapSearch({
      ...{ scores: manyScores(rows, cols), rows, cols, permutation: identity(cols), keep: 2, group: 4 },
      ...{ blockSize, tolerance: SWAP_TOLERANCE, maxSwaps: MAX_SWAPS_PER_CHANNEL * blockSize, out, cancel },
    });
    // The order of a block is written when it is found.
    while (out.every((channel) => channel === -1)) await setTimeout(1);
    Atomics.store(cancel, 0, 1);
    await search;
    expect(out.includes(-1)).toBe(true);
    expect(await swapSearch(small, 70, 64, identity(64), 2, 4, 64)).toEqual(expected);
  },
);

native('a search that was aborted before it began does not begin', async () => {
  const search = swapSearch(new Float32Array(8), 1, 8, identity(8), 2, 4, 8, AbortSignal.abort());
  await expect(search).rejects.toMatchObject({ kind: 'cancelled' });
});

native('an aborted search lets its scores go', async () => {
  const gone: unknown[] = [];
  const watch = new FinalizationRegistry((name) => gone.push(name));
  await (async () => {
    const controller = new AbortController();
    const scores = manyScores(2048, 2048);
    watch.register(scores, 'scores');
    const search = swapSearch(scores, 2048, 2048, identity(2048), 2, 4, 256, controller.signal);
    await setTimeout(10);
    controller.abort();
    await expect(search).rejects.toMatchObject({ kind: 'cancelled' });
  })();
  for (let i = 0; i < 20 && gone.length === 0; i++) {
    await collectGarbage();
    await setTimeout(20);
  }
  expect(gone).toEqual(['scores']);
});
