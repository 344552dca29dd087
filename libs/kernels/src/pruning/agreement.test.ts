/** Every sparsity kernel gives the same bits natively and in TypeScript. */
import fc from 'fast-check';
import { addon } from '../addon.ts';
import { channelMeans, channelMeansReference, scoreByChannel, scoreByChannelReference } from './score.ts';
import { keptScore, keptScoreReference } from './kept-score.ts';
import { maskOf, maskOfReference } from './mask.ts';
import { pack, unpack, unpackToF32 } from './pack.ts';
import { packedLayout } from '../runtime/packed-layout.ts';
import { slotGains, slotGainsReference } from './slot-gains.ts';
import { swapSearch } from './swap-search.ts';
import { widenReference } from '../runtime/widen.ts';
import { packReference, unpackReference } from './pack-reference.ts';
import { MAX_SWAPS_PER_CHANNEL, SWAP_TOLERANCE } from './swap-search.ts';
import { swapSearchReference } from './swap-search-reference.ts';

interface Case {
  readonly dtype: 'bf16' | 'f16';
  readonly rows: number;
  readonly cols: number;
  readonly keep: number;
  readonly group: number;
  readonly permutation: Int32Array;
  readonly weights: Uint16Array;
  readonly importance: Float32Array;
}

/** Finite weights of every kind (subnormal, zero of both signs), few distinct ones half the time: ties. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    dtype: fc.constantFrom('bf16' as const, 'f16' as const),
    rows: fc.integer({ min: 1, max: 100 }),
    group: fc.integer({ min: 2, max: 16 }),
    groups: fc.integer({ min: 1, max: 7 }),
    part: fc.double({ min: 0, max: 0.999, noNaN: true }),
    distinct: fc.constantFrom(3, 0x10000),
  })
  .chain(({ dtype, rows, group, groups, part, distinct }) => {
    const cols = group * groups;
    // f16 ends at exponent 30, bf16 far below the largest exponent, so that no product overflows.
    const finite = (bits: number) => (bits % distinct) & (dtype === 'f16' ? 0xfbff : 0xdfff);
    return fc.record({
      dtype: fc.constant(dtype),
      rows: fc.constant(rows),
      cols: fc.constant(cols),
      group: fc.constant(group),
      keep: fc.constant(1 + Math.floor(part * (group - 1))),
      permutation: fc
        .shuffledSubarray([...Array(cols).keys()], { minLength: cols })
        .map((channels) => Int32Array.from(channels)),
      weights: fc
        .uint16Array({ minLength: rows * cols, maxLength: rows * cols })
        .map((bits) => bits.map(finite)),
      importance: fc
        .array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: cols, maxLength: cols })
        .map((values) => Float32Array.from(values)),
    });
  });

/** Runs a law on random cases, always the same ones. */
function holds(runs: number, law: (input: Case & { scores: Float32Array }) => Promise<void>): Promise<void> {
  return fc.assert(
    fc.asyncProperty(cases, (input) => {
      const { dtype, weights, rows, cols, importance } = input;
      return law({ ...input, scores: scoreByChannelReference(dtype, weights, rows, cols, importance) });
    }),
    { numRuns: runs, seed: 2310, endOnFailure: true },
  );
}

test('the native addon is the one under test', () => {
  expect(addon()).not.toBeNull();
});

test('scores and channel means agree bit for bit', () =>
  holds(20, async ({ dtype, weights, rows, cols, importance, scores }) => {
    const native = await scoreByChannel(dtype, weights, rows, cols, importance);
    expect(new Uint32Array(native.buffer)).toEqual(new Uint32Array(scores.buffer));
    expect(await channelMeans(scores, rows, cols)).toEqual(channelMeansReference(scores, rows, cols));
  }));

test('kept scores agree bit for bit', () =>
  holds(20, async ({ scores, rows, cols, permutation, keep, group }) => {
    expect(await keptScore(scores, rows, cols, permutation, keep, group)).toBe(
      keptScoreReference(scores, rows, cols, permutation, keep, group),
    );
  }));

test('the swap search finds the same order in the same number of swaps', () =>
  holds(12, async ({ scores, rows, cols, permutation, keep, group }) => {
    const blockSize = group * 4;
    const native = await swapSearch(scores, rows, cols, permutation, keep, group, blockSize);
    const expected = new Int32Array(cols);
    const swaps = swapSearchReference({
      ...{ scores, rows, cols, permutation, keep, group, blockSize, out: expected },
      tolerance: SWAP_TOLERANCE,
      maxSwaps: MAX_SWAPS_PER_CHANNEL * blockSize,
    });
    expect(native).toMatchObject({ permutation: expected, swaps });
  }));

test('the gains of other channels in a slot agree bit for bit, where scores are negative too', () =>
  holds(20, async ({ scores, weights, rows, cols, permutation, keep, group }) => {
    const slots = Int32Array.from({ length: cols / group }, (_, g) => g * group + ((g * 5) % group));
    const someNegative = scores.map((score, i) => ((weights[i]! >> 15) & 1 ? -score : score));
    for (const values of [scores, someNegative, scores.map((score) => -score)]) {
      const native = await slotGains(values, rows, cols, permutation, keep, group, slots);
      const expected = slotGainsReference(values, rows, cols, permutation, keep, group, slots);
      expect(new Uint32Array(native.buffer)).toEqual(new Uint32Array(expected.buffer));
    }
  }));

test('masks agree', () =>
  holds(20, async ({ scores, rows, cols, permutation, keep, group }) => {
    expect(await maskOf(scores, rows, cols, permutation, keep, group)).toEqual(
      maskOfReference(scores, rows, cols, permutation, keep, group),
    );
  }));

test('packed arrays agree, and so do the dense ones', () =>
  holds(20, async ({ dtype, weights, scores, rows, cols, permutation, keep, group }) => {
    const mask = maskOfReference(scores, rows, cols, permutation, keep, group);
    const packed = await pack(weights, rows, cols, permutation, mask, keep, group);
    const layout = packedLayout(rows, cols, keep, group);
    const values = new Uint16Array(layout.tiles * layout.groups * layout.groupValues);
    const indices = new Uint8Array(layout.tiles * layout.groups * layout.groupBytes);
    expect(packReference(weights, mask, rows, cols, permutation, keep, group, values, indices)).toBe(-1);
    expect(packed).toEqual({ values, indices });

    const dense = new Uint16Array(rows * cols);
    expect(unpackReference(dense, rows, cols, permutation, keep, group, values, indices)).toBe(-1);
    expect(await unpack(packed, rows, cols, permutation, keep, group)).toEqual(dense);
    expect(await unpackToF32(dtype, packed, rows, cols, permutation, keep, group)).toEqual(
      widenReference(dtype, dense),
    );
  }));

test('damaged indices are refused at the same group by both', () =>
  holds(20, async ({ weights, scores, rows, cols, permutation, keep, group }) => {
    const mask = maskOfReference(scores, rows, cols, permutation, keep, group);
    const { values, indices } = await pack(weights, rows, cols, permutation, mask, keep, group);
    const { groups } = packedLayout(rows, cols, keep, group);
    for (const flipped of [0, indices.length >> 1, indices.length - 1]) {
      const damaged = indices.with(flipped, indices[flipped]! ^ 0x10);
      const out = new Uint16Array(rows * cols);
      const wrong = unpackReference(out, rows, cols, permutation, keep, group, values, damaged);
      const unpacked = unpack({ values, indices: damaged }, rows, cols, permutation, keep, group);
      if (wrong === -1) await expect(unpacked).resolves.toEqual(out);
      else {
        await expect(unpacked).rejects.toMatchObject({
          kind: 'store',
          context: { tile: Math.floor(wrong / groups), group: wrong % groups },
        });
      }
    }
  }));
