import fc from 'fast-check';
import { statisticLaws } from '@esparse/laws';
import { amplitude, amplitudeOf } from './index.ts';

const value = fc.oneof(
  fc.float({ noNaN: true, min: Math.fround(-1e6), max: Math.fround(1e6) }),
  fc.float({ noNaN: true, min: -4, max: 4 }),
  fc.constantFrom(0, -0, 1e-20, 2 ** 24),
);

test('the amplitude is a commutative monoid over rows, to the last bit', async () => {
  await statisticLaws(amplitude, { values: value, seed: 11, runs: 60 });
});

test('it is the root of the mean over sequences of the sum of squares', async () => {
  const state = amplitude.create(2, {});
  await amplitude.update(state, { data: Float32Array.of(3, 1, 4, 1), rows: 2, channels: 2 });
  expect([...amplitudeOf(state, 1)]).toEqual([5, Math.fround(Math.SQRT2)]);
  expect([...amplitudeOf(state, 2)]).toEqual([Math.fround(5 / Math.SQRT2), 1]);
  expect(() => amplitudeOf(state, 0)).toThrow(/0 sequences/);
});

test('an overlapping update waits until the one before has settled', async () => {
  const tile = { data: new Float32Array(512 * 64).fill(1), rows: 512, channels: 64 };
  const state = amplitude.create(64, {});
  await Promise.all(Array.from({ length: 20 }, () => amplitude.update(state, tile)));
  expect([...new Set(amplitudeOf(state, 20 * 512))]).toEqual([1]);
  expect(state.tokens).toBe(20 * 512);
});

test('NaN is an error that names the channel and the row, and leaves the state as it was', async () => {
  const state = amplitude.create(3, {});
  const before = amplitude.serialise(state);
  const data = Float32Array.of(1, 2, 3, 4, NaN, 6);
  await expect(amplitude.update(state, { data, rows: 2, channels: 3 })).rejects.toMatchObject({
    kind: 'numeric',
    message: expect.stringMatching(/channel 1 is NaN at row 1/),
  });
  expect(amplitude.serialise(state)).toEqual(before);
  const large = Float32Array.of(1, 2, 2 ** 60);
  await expect(amplitude.update(state, { data: large, rows: 1, channels: 3 })).rejects.toMatchObject({
    kind: 'numeric',
    message: expect.stringMatching(/channel 2 is too large/),
  });
});

test.each([
  [{ data: new Float32Array(6), rows: 3, channels: 2 }, /2 channels for a tap of 3/],
  [{ data: new Float32Array(5), rows: 2, channels: 3 }, /has 5 values/],
  [{ data: new Float32Array(0), rows: -1, channels: 3 }, /-1 rows/],
])('a tile that contradicts its tap is refused', async (tile, message) => {
  await expect(amplitude.update(amplitude.create(3, {}), tile)).rejects.toThrow(message);
});

test.each([0, 1.5, 2 ** 16 + 1, NaN])('%p channels are refused', (channels) => {
  expect(() => amplitude.create(channels, {})).toThrow(/channels, expected 1 to 65536/);
});

test('bytes that update cannot have written are refused', async () => {
  const state = amplitude.create(2, {});
  await amplitude.update(state, { data: Float32Array.of(1.5, 0.1), rows: 1, channels: 2 });
  const bytes = amplitude.serialise(state);
  expect(() => amplitude.deserialise(bytes.subarray(0, bytes.length - 1))).toThrow(
    /47 bytes do not fit 2 channels/,
  );
  for (const bad of [-1, 0.5, NaN, 2 ** 53]) {
    const changed = bytes.slice();
    new DataView(changed.buffer).setFloat64(bytes.length - 48, bad, true);
    expect(() => amplitude.deserialise(changed)).toThrow(/digit out of range/);
  }
});
