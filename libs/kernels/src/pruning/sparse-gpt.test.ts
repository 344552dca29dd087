import { uniform } from '@esparse/laws';
import fc from 'fast-check';
import { sparseGptSweep, sparseGptSweepReference } from './sparse-gpt.ts';

/** Blocks of few distinct weights at times (ties), with a factor of positive diagonal. */
const blocks = fc
  .record({
    rows: fc.integer({ min: 1, max: 150 }),
    group: fc.integer({ min: 2, max: 16 }),
    groups: fc.integer({ min: 1, max: 6 }),
    part: fc.double({ min: 0, max: 0.999, noNaN: true }),
    distinct: fc.constantFrom(3, 1000),
    seed: fc.nat(),
  })
  .map(({ rows, group, groups, part, distinct, seed }) => {
    const random = uniform(seed, -0.5, 0.5);
    const channels = group * groups;
    return {
      channels,
      rows,
      group,
      keep: 1 + Math.floor(part * (group - 1)),
      weights: Float32Array.from(
        { length: channels * rows },
        () => Math.round(random() * distinct) / distinct,
      ),
      factor: Float32Array.from({ length: channels * channels }, (_, at) => {
        const [i, j] = [Math.floor(at / channels), at % channels];
        return i === j ? 1 + random() : i < j ? random() : 0;
      }),
    };
  });

test('natively and in TypeScript the same bits come out', () =>
  fc.assert(
    fc.asyncProperty(blocks, async (block) => {
      const weights = block.weights.slice();
      const expected = sparseGptSweepReference({ ...block, weights });
      expect(await sparseGptSweep(block)).toEqual(expected);
      expect(block.weights).toEqual(weights);
    }),
    { numRuns: 30, seed: 2301 },
  ));

test('a row keeps N of every M, and nothing else is left', () =>
  fc.assert(
    fc.asyncProperty(blocks, async (block) => {
      const { kept } = await sparseGptSweep(block);
      const { rows, channels, keep, group, weights } = block;
      for (let r = 0; r < rows; r++) {
        for (let first = 0; first < channels; first += group) {
          let count = 0;
          for (let i = first; i < first + group; i++) {
            count += kept[i * rows + r]!;
            if (kept[i * rows + r] === 0) expect(weights[i * rows + r]).toBe(0);
          }
          expect(count).toBe(keep);
        }
      }
    }),
    { numRuns: 10, seed: 2301 },
  ));

test('what is pruned is made up for by the channels that follow', async () => {
  // Of 1 and 2 the second is kept; the first's loss over its d, 1 / 2, goes to it by the factor's 3.
  const weights = Float32Array.of(1, 2);
  const block = { channels: 2, rows: 1, weights, factor: Float32Array.of(2, 3, 0, 1), keep: 1, group: 2 };
  expect(await sparseGptSweep(block)).toEqual({
    errors: Float32Array.of(0.5, 0),
    kept: Uint8Array.of(0, 1),
  });
  expect(weights).toEqual(Float32Array.of(0, 0.5));
});

test('more channels than a block has, or a group that does not divide them, are refused', async () => {
  const block = (channels: number) => ({
    channels,
    rows: 1,
    weights: new Float32Array(channels),
    factor: new Float32Array(channels ** 2),
    keep: 2,
    group: 4,
  });
  for (const channels of [6, 132]) {
    await expect(sparseGptSweep(block(channels))).rejects.toMatchObject({ kind: 'usage' });
  }
});
