import fc from 'fast-check';
import { ENTROPY_PENDING_ROWS, entropyHistograms, type EntropyHistograms } from './entropy-state.ts';
import { entropyCount, entropyFinish, entropyMerge, entropyUpdate } from './entropy.ts';
import {
  entropyCountReference,
  entropyFinishReference,
  entropyMergeReference,
  entropyUpdateReference,
} from './entropy-reference.ts';

const SEED = 3;

/** The bits of a state, all counted (Jest's own comparison of large typed arrays is slow). */
function bits(state: EntropyHistograms): string {
  entropyCountReference(state);
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
      const [a, b, c, d] = [
        entropyHistograms(channels),
        entropyHistograms(channels),
        entropyHistograms(channels),
        entropyHistograms(channels),
      ];
      expect(await entropyUpdate(a, head, cut, channels)).toBe(-1);
      expect(await entropyUpdate(c, tail, rows - cut, channels)).toBe(-1);
      entropyUpdateReference(b, head, cut, channels);
      entropyUpdateReference(d, tail, rows - cut, channels);
      await entropyMerge(a, c);
      entropyMergeReference(b, d);
      expect(same(a, b)).toBe(true);
      const whole = entropyHistograms(channels);
      await entropyUpdate(whole, tile, rows, channels);
      expect(same(a, whole)).toBe(true);
      expect(await entropyFinish(a, a.ranges, rows, intervals)).toEqual(
        entropyFinishReference(a, a.ranges, rows, intervals),
      );
    }),
    { seed: SEED, numRuns: 60 },
  );
});

/** Values with outliers, the same at every run. */
function wavy(rows: number, channels: number, from = 0): Float32Array {
  const at = (i: number) => Math.sin(i * 1.7) * ((i % 13) - 4) ** 3 * (i % 4001 === 0 ? 50 : 1);
  return Float32Array.from({ length: rows * channels }, (_, i) => at(from + i));
}

test('tiles over many stripes, that fill the room for waiting rows, are counted as by the reference', async () => {
  const channels = 67;
  const [native, reference] = [entropyHistograms(channels), entropyHistograms(channels)];
  let seen = 0;
  for (const rows of [530, ENTROPY_PENDING_ROWS - 530, 1, 2 * ENTROPY_PENDING_ROWS + 7, 3000]) {
    const tile = wavy(rows, channels, seen);
    await entropyUpdate(native, tile, rows, channels);
    entropyUpdateReference(reference, tile, rows, channels);
    seen += rows * channels;
    expect([native.waiting, native.counted]).toEqual([reference.waiting, reference.counted]);
  }
  expect(native.counted).toBeGreaterThan(0);
  expect(same(native, reference)).toBe(true);
});

test('rows that wait on either side of a merge are counted once, whoever counts them and when', async () => {
  const channels = 37;
  const cuts = [1500, 100, 2600, 700];
  const total = cuts.reduce((a, b) => a + b);
  const whole = entropyHistograms(channels);
  entropyUpdateReference(whole, wavy(total, channels), total, channels);
  for (const countFirst of [0, 1, 2, 3]) {
    const [native, reference] = [entropyHistograms(channels), entropyHistograms(channels)];
    let row = 0;
    for (const [i, rows] of cuts.entries()) {
      const tile = wavy(rows, channels, row * channels);
      const [a, b] = [entropyHistograms(channels), entropyHistograms(channels)];
      await entropyUpdate(a, tile, rows, channels);
      entropyUpdateReference(b, tile, rows, channels);
      if (i === countFirst) entropyCount(a);
      await entropyMerge(native, a);
      entropyMergeReference(reference, b);
      row += rows;
    }
    const entropies = await entropyFinish(native, native.ranges, total, 100);
    expect(entropies).toEqual(entropyFinishReference(reference, reference.ranges, total, 100));
    expect([native.waiting, native.counted]).toEqual([0, total]);
    expect([same(native, whole), same(reference, whole)]).toEqual([true, true]);
  }
});

test.each([NaN, Infinity, -Infinity])(
  '%p is refused with its channel and nothing is counted',
  async (bad) => {
    const tile = new Float32Array(4 * 40).fill(2);
    tile[2 * 40 + 30] = bad;
    tile[3 * 40 + 39] = bad;
    const [state, untouched] = [entropyHistograms(40), entropyHistograms(40)];
    for (const rows of [4, ENTROPY_PENDING_ROWS]) {
      const good = wavy(rows, 40);
      entropyUpdateReference(untouched, good, rows, 40);
      await entropyUpdate(state, good, rows, 40);
      expect(await entropyUpdate(state, tile, 4, 40)).toBe(30);
      expect(entropyUpdateReference(state, tile, 4, 40)).toBe(30);
    }
    // A tile that would fill the room: refused before anything of it is counted.
    const long = new Float32Array(2 * ENTROPY_PENDING_ROWS * 40).fill(1e6);
    long[long.length - 1] = bad;
    expect(await entropyUpdate(state, long, 2 * ENTROPY_PENDING_ROWS, 40)).toBe(39);
    expect([state.waiting, state.counted]).toEqual([untouched.waiting, untouched.counted]);
    expect(same(state, untouched)).toBe(true);
  },
);

test('bounds that do not hold the range, and an impossible number of bins, harm nothing', async () => {
  const state = entropyHistograms(1);
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
