import fc from 'fast-check';
import {
  ENTROPY_WORDS,
  entropyFinish,
  entropyFinishReference,
  entropyMerge,
  entropyMergeReference,
  entropyUpdate,
  entropyUpdateReference,
  type EntropyHistograms,
} from './index.ts';

const SEED = 3;

function empty(channels: number): EntropyHistograms {
  const ranges = new Float32Array(2 * channels).fill(Infinity);
  ranges.fill(-Infinity, channels);
  return { ranges, zeros: new Uint32Array(channels), bins: new Uint32Array(channels * ENTROPY_WORDS) };
}

/** The bits of a state (Jest's own comparison of large typed arrays is slow). */
function bits(state: EntropyHistograms): string {
  return [state.ranges, state.zeros, state.bins]
    .map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('latin1'))
    .join();
}

function same(a: EntropyHistograms, b: EntropyHistograms): boolean {
  return bits(a) === bits(b);
}

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, min: -3, max: 3 }),
  fc.integer({ min: -100, max: 100 }).map((i) => i / 8),
  fc.constantFrom(0, -0, 1e-40, 1000, -16, 16),
);
const tiles = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 11 }))
  .chain(([rows, channels]) =>
    fc
      .array(value, { minLength: rows * channels, maxLength: rows * channels })
      .map((values) => ({ rows, channels, tile: Float32Array.from(values) })),
  );

test('native and reference count, coarsen, merge and finish with the same bits', async () => {
  await fc.assert(
    fc.asyncProperty(tiles, fc.nat(1000), fc.constantFrom(1, 7, 100), async (input, at, intervals) => {
      const { rows, channels, tile } = input;
      const cut = at % (rows + 1);
      const head = tile.subarray(0, cut * channels);
      const tail = tile.subarray(cut * channels);
      const [a, b, c, d] = [empty(channels), empty(channels), empty(channels), empty(channels)];
      expect(await entropyUpdate(a, head, cut, channels)).toBe(-1);
      expect(await entropyUpdate(c, tail, rows - cut, channels)).toBe(-1);
      entropyUpdateReference(b, head, cut, channels);
      entropyUpdateReference(d, tail, rows - cut, channels);
      expect([same(a, b), same(c, d)]).toEqual([true, true]);
      await entropyMerge(a, c);
      entropyMergeReference(b, d);
      expect(same(a, b)).toBe(true);
      const whole = empty(channels);
      await entropyUpdate(whole, tile, rows, channels);
      expect(same(a, whole)).toBe(true);
      expect(await entropyFinish(a, a.ranges, rows, intervals)).toEqual(
        entropyFinishReference(a, a.ranges, rows, intervals),
      );
    }),
    { seed: SEED, numRuns: 60 },
  );
});

test('a wide tile over many stripes and row blocks is counted as by the reference', async () => {
  const [rows, channels] = [530, 203];
  const tile = Float32Array.from(
    { length: rows * channels },
    (_, i) => Math.sin(i * 1.7) * ((i % 13) - 4) ** 3,
  );
  const [native, reference] = [empty(channels), empty(channels)];
  await entropyUpdate(native, tile, rows, channels);
  entropyUpdateReference(reference, tile, rows, channels);
  expect(same(native, reference)).toBe(true);
});

test.each([NaN, Infinity, -Infinity])(
  '%p is refused with its channel and nothing is counted',
  async (bad) => {
    const tile = new Float32Array(4 * 300).fill(2);
    tile[2 * 300 + 290] = bad;
    tile[3 * 300 + 299] = bad;
    const state = empty(300);
    expect(await entropyUpdate(state, tile, 4, 300)).toBe(290);
    expect(entropyUpdateReference(state, tile, 4, 300)).toBe(290);
    expect(same(state, empty(300))).toBe(true);
  },
);

test('bounds that do not hold the range, and an impossible number of bins, harm nothing', async () => {
  const state = empty(1);
  await entropyUpdate(state, Float32Array.of(-5, 0, 7), 3, 1);
  for (const bounds of [
    [1e30, 2e30],
    [-1, 1],
    [NaN, NaN],
  ]) {
    expect(Number.isFinite((await entropyFinish(state, Float32Array.from(bounds), 3, 10))[0])).toBe(true);
  }
  await expect(entropyFinish(state, state.ranges, 3, 0)).rejects.toThrow(RangeError);
});
