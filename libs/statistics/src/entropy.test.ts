import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { ENTROPY_PENDING_ROWS } from '@esparse/kernels';
import { statisticLaws, uniform } from '@esparse/laws';
import { entropy, entropyOf, type EntropyState } from './index.ts';
import { exactEntropy } from './testing/exact-entropy.ts';

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, min: -4, max: 4 }),
  fc.integer({ min: -64, max: 64 }),
  fc.constantFrom(0, -0, 1e-40, 1000),
);

test('the entropy is a commutative monoid over rows, to the last bit', async () => {
  await statisticLaws(entropy, { values: value, seed: 12, runs: 60 });
});

test('the same rows give the same bytes, whenever states are read, merged or serialised', async () => {
  const channels = 3;
  const draw = uniform(21, 2 ** -33, 1 + 2 ** -33);
  // Ranges that grow late and early, zeros, and tiles on both sides of the rows that may wait.
  const data = Float32Array.from({ length: 3 * ENTROPY_PENDING_ROWS * channels }, (_, i) =>
    draw() < 0.1 ? 0 : (draw() - 0.5) * (draw() < 0.002 ? 300 : 1 + (i % channels)),
  );
  const rows = data.length / channels;
  const tile = (from: number, to: number) => ({
    data: data.subarray(from * channels, to * channels),
    rows: to - from,
    channels,
  });
  const whole = entropy.create(channels, {});
  await entropy.update(whole, tile(0, rows));
  const expected = entropy.serialise(whole);
  const expectedEntropies = await entropyOf(whole);

  const step = fc.record({
    rows: fc.oneof(fc.integer({ min: 1, max: 600 }), fc.constantFrom(512, ENTROPY_PENDING_ROWS, 5000)),
    then: fc.constantFrom('go on', 'read', 'serialise', 'carry on from bytes', 'start another', 'be refused'),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 30 }),
      fc.boolean(),
      async (steps, backwards) => {
        const parts = [entropy.create(channels, {})];
        let row = 0;
        for (const { rows: wanted, then } of [...steps, { rows, then: 'go on' }]) {
          const end = Math.min(rows, row + wanted);
          const state = parts[parts.length - 1]!;
          await entropy.update(state, tile(row, end));
          row = end;
          if (then === 'read' && state.tokens > 0) await entropyOf(state);
          if (then === 'serialise') entropy.serialise(state);
          if (then === 'carry on from bytes') {
            parts[parts.length - 1] = entropy.deserialise(entropy.serialise(state));
          }
          if (then === 'start another') parts.push(entropy.create(channels, {}));
          if (then === 'be refused') {
            const bad = { data: new Float32Array(4000 * channels).fill(1e9), rows: 4000, channels };
            bad.data[bad.data.length - 2] = NaN;
            await expect(entropy.update(state, bad)).rejects.toMatchObject({ kind: 'numeric' });
          }
        }
        if (backwards) parts.reverse();
        const [first, ...others] = parts;
        for (const other of others) await entropy.merge(first!, other);
        expect(await entropyOf(first!)).toEqual(expectedEntropies);
        expect(entropy.serialise(first!)).toEqual(expected);
      },
    ),
    { seed: 22, numRuns: 40 },
  );
});

test('the bytes of some rows are those that version 2 has always given', async () => {
  const draw = uniform(41, 2 ** -33, 1 + 2 ** -33);
  const data = Float32Array.from({ length: 5000 * 19 }, () =>
    draw() < 0.1 ? 0 : (draw() - 0.5) * (draw() < 0.002 ? 300 : 1),
  );
  const digest = createHash('sha256').update(entropy.serialise(await seen(data, 19)));
  expect(digest.digest('hex')).toBe('1f25c3b32c8031f998e040a9392280bac7229ab4083a56d71cd3ab197dd13c91');
});

test('a state is not serialised while an update or a merge of it is under way', async () => {
  const [state, other] = [entropy.create(2, {}), await seen(Float32Array.of(1, 2), 2)];
  const updated = entropy.update(state, { data: Float32Array.of(3, 4), rows: 1, channels: 2 });
  expect(() => entropy.serialise(state)).toThrow(/before its updates had settled/);
  await updated;
  const before = entropy.serialise(state);
  const merged = entropy.merge(state, other);
  expect(() => entropy.serialise(state)).toThrow(/before its updates had settled/);
  await merged;
  expect(entropy.serialise(state)).not.toEqual(before);
  await expect(
    entropy.update(state, { data: Float32Array.of(NaN, 4), rows: 1, channels: 2 }),
  ).rejects.toThrow(/NaN/);
  expect(() => entropy.serialise(state)).not.toThrow();
});

async function seen(data: Float32Array, channels: number): Promise<EntropyState> {
  const state = entropy.create(channels, {});
  const step = 500;
  for (let row = 0; row * channels < data.length; row += step) {
    const part = data.subarray(row * channels, (row + step) * channels);
    await entropy.update(state, { data: part, rows: part.length / channels, channels });
  }
  return state;
}

function columnOf(data: Float32Array, channels: number, c: number): Float32Array {
  return Float32Array.from({ length: data.length / channels }, (_, row) => data[row * channels + c]!);
}

const next = uniform(7, 2 ** -33, 1 + 2 ** -33);
const gaussian = (): number => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
const rarely = (usual: number, rare: number): number => (next() < 1e-3 ? rare : usual);
const silu = (x: number): number => x / (1 + Math.exp(-x));

describe.each([
  ['Gaussian', gaussian],
  ['Gaussian far from zero', () => 100 + gaussian()],
  ['Laplace', () => Math.sign(next() - 0.5) * Math.log(next())],
  ['Student t, two degrees', () => gaussian() / Math.sqrt(-Math.log(next()))],
  ['Cauchy', () => gaussian() / gaussian()],
  ['log-normal', () => Math.exp(gaussian())],
  ['wide log-normal', () => Math.exp(2 * gaussian())],
  ['ReLU, half zeros', () => Math.max(0, gaussian())],
  ['negated ReLU', () => Math.min(0, gaussian())],
  ['SiLU gate times a Gaussian', () => silu(gaussian()) * gaussian()],
  ['GELU, piled up at its minimum', () => 2 * silu(1.7 * gaussian())],
  ['Gaussian, outliers x 1000', () => rarely(gaussian(), 1000 * gaussian())],
  ['ReLU, outliers x 1000', () => Math.max(0, rarely(gaussian(), 1000 * gaussian()))],
  ['far from zero, one-sided outliers x 200', () => rarely(5 + 0.1 * gaussian(), 1000 + 20 * gaussian())],
  ['two values', () => (next() < 0.3 ? 1.7 : -2.2)],
  ['clamped at both ends', () => Math.max(-1, Math.min(1, gaussian()))],
  ['a few neighbouring floats', () => 1 + Math.floor(next() * 40) * 2 ** -23],
  ['a constant', () => 3.25],
  ['tiny', () => 1e-12 * gaussian()],
  ['huge', () => 1e30 * gaussian()],
])('%s', (_name, draw) => {
  test.each(['channel', 'tap'] as const)(
    'is within 0.02 nats of the exact entropy, range %s',
    async (range) => {
      const channels = 4;
      const rows = 8192;
      const data = Float32Array.from({ length: rows * channels }, (_, i) => draw() * (1 + (i % channels)));
      const got = await entropyOf(await seen(data, channels), { range });
      const columns = [...Array(channels).keys()].map((c) => columnOf(data, channels, c));
      const limits = (values: readonly Float32Array[]): [number, number] => [
        values.reduce((low, column) => column.reduce((a, b) => Math.min(a, b), low), Infinity),
        values.reduce((high, column) => column.reduce((a, b) => Math.max(a, b), high), -Infinity),
      ];
      for (const [c, column] of columns.entries()) {
        const [low, high] = limits(range === 'tap' ? columns : [column]);
        expect(Math.abs(got[c]! - exactEntropy(column, 100, low, high))).toBeLessThanOrEqual(0.02);
      }
    },
  );
});

test('values that come again and again, as embeddings do, are placed as points', async () => {
  // Zipf over 2000 tokens, 128 channels, one value for each token and channel.
  const channels = 128;
  const rows = 4096;
  const table = Float32Array.from({ length: 2000 * channels }, gaussian);
  const data = new Float32Array(rows * channels);
  for (let row = 0; row < rows; row++) {
    const token = Math.floor(2000 ** next()) - 1;
    data.set(table.subarray(token * channels, (token + 1) * channels), row * channels);
  }
  const state = await seen(data, channels);
  const got = await entropyOf(state);
  let sum = 0;
  for (let c = 0; c < channels; c++) {
    const column = columnOf(data, channels, c);
    const [low, high] = [column.reduce((a, b) => Math.min(a, b)), column.reduce((a, b) => Math.max(a, b))];
    const error = Math.abs(got[c]! - exactEntropy(column, 100, low, high));
    expect(error).toBeLessThan(0.1);
    sum += error;
  }
  expect(sum / channels).toBeLessThan(0.01);
});

test('the number of bins bounds the entropy, and a uniform channel reaches the bound', async () => {
  const data = Float32Array.from({ length: 100_000 }, (_, i) => i);
  const state = await seen(data, 1);
  expect((await entropyOf(state))[0]).toBeCloseTo(Math.log(100), 4);
  expect((await entropyOf(state, { bins: 16 }))[0]).toBeCloseTo(Math.log(16), 4);
  expect((await entropyOf(state, { bins: 1 }))[0]).toBeCloseTo(0, 9);
});

test('infinity is an error that names the channel and the row', async () => {
  const data = Float32Array.of(1, 2, 3, 4, 5, -Infinity);
  await expect(entropy.update(entropy.create(3, {}), { data, rows: 2, channels: 3 })).rejects.toMatchObject({
    kind: 'numeric',
    message: expect.stringMatching(/channel 2 is -Infinity at row 1/),
  });
});

test('options out of range, and a state that saw nothing, are refused by name', async () => {
  const state = await seen(Float32Array.of(1, 2), 1);
  await expect(entropyOf(state, { bins: 0 })).rejects.toThrow(/bins is 0/);
  await expect(entropyOf(state, { range: 'layer' as 'tap' })).rejects.toThrow(/range is "layer"/);
  await expect(entropyOf(entropy.create(1, {}))).rejects.toThrow(/no activations/);
});

test('counters that would overflow are refused before they do', async () => {
  const [a, b] = [await seen(Float32Array.of(1), 1), await seen(Float32Array.of(2), 1)];
  a.tokens = 2 ** 32 - 1;
  await expect(entropy.merge(a, b)).rejects.toMatchObject({ kind: 'unsupported' });
});

test('any change to the bytes is refused or gives a state that serialises as those bytes', async () => {
  const bytes = entropy.serialise(await seen(Float32Array.from({ length: 60 }, gaussian).fill(0, 0, 9), 3));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, cut) => {
      const changed = bytes.slice(0, cut ? at : bytes.length);
      if (!cut) changed[at]! ^= flip;
      let state: EntropyState;
      try {
        state = entropy.deserialise(changed);
      } catch (error) {
        expect(error).toMatchObject({ kind: 'protocol' });
        return;
      }
      expect(entropy.serialise(state)).toEqual(changed);
    }),
    { seed: 13, numRuns: 500 },
  );
});

test('a shard of 2048 tokens takes less than half of its raw bytes', async () => {
  const data = Float32Array.from({ length: 2048 * 8 }, gaussian);
  expect(entropy.serialise(await seen(data, 8)).length).toBeLessThan(data.byteLength / 2);
});
