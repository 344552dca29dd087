import fc from 'fast-check';
import { statisticLaws } from '@esparse/laws';
import { rowSample, sampledRows } from './index.ts';

const CHANNELS = 24;

/** Rows that differ, but for every tenth. */
const rowsOf = (rows: number, seed: number) => ({
  rows,
  channels: CHANNELS,
  data: Float32Array.from({ length: rows * CHANNELS }, (_, i) => {
    const row = Math.floor(i / CHANNELS);
    return row % 10 === 9 ? 0 : Math.fround(Math.sin(1 + (i % CHANNELS) + seed * row));
  }),
});

test('a sample of rows is a commutative monoid over rows, to the last bit', async () => {
  const values = fc.oneof(fc.float({ noNaN: true, min: -4, max: 4 }), fc.constantFrom(0, -0));
  await statisticLaws(rowSample, { values, seed: 5, runs: 60 });
});

test('of many rows, the sample is 64 of them, the same in any order and however they are cut', async () => {
  const { data } = rowsOf(300, 1);
  const whole = rowSample.create(CHANNELS, {});
  await rowSample.update(whole, rowsOf(300, 1));
  const parts = [rowSample.create(CHANNELS, {}), rowSample.create(CHANNELS, {})];
  for (let row = 299; row >= 0; row--) {
    const one = data.slice(row * CHANNELS, (row + 1) * CHANNELS);
    await rowSample.update(parts[row % 2]!, { data: one, rows: 1, channels: CHANNELS });
  }
  await rowSample.merge(parts[0]!, parts[1]!);
  expect(rowSample.serialise(parts[0]!)).toEqual(rowSample.serialise(whole));
  const { rows, data: sampled } = await sampledRows.read(whole, { sequences: 1 });
  expect(rows).toBe(64);
  const known = new Set(Array.from({ length: 300 }, (_, row) => keyOf(data, row)));
  expect(Array.from({ length: rows }, (_, row) => known.has(keyOf(sampled, row)))).not.toContain(false);
});

test('bytes that update cannot have written are refused', async () => {
  const state = rowSample.create(CHANNELS, {});
  await rowSample.update(state, rowsOf(3, 1));
  const bytes = rowSample.serialise(state);
  expect(() => rowSample.deserialise(bytes.subarray(0, -4))).toThrow(/do not fit 3 tokens/);
  const swapped = bytes.slice();
  const rowBytes = 4 + 4 * CHANNELS;
  const body = swapped.length - 3 * rowBytes;
  swapped.set(bytes.subarray(body + 2 * rowBytes), body);
  expect(() => rowSample.deserialise(swapped)).toThrow(/out of order/);
});

function keyOf(data: Float32Array, row: number): string {
  return data.subarray(row * CHANNELS, (row + 1) * CHANNELS).join();
}
