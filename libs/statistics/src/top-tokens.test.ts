import fc from 'fast-check';
import { channelTopTokens, TOP_TOKENS, topTokens } from './index.ts';

const CHANNELS = 3;
const value = fc.oneof(fc.float({ noNaN: true, min: -4, max: 4 }), fc.constantFrom(0, -0, 1, -1));

/** The plain version: all rows, sorted. */
function expected(rows: readonly (readonly number[])[]) {
  return Array.from({ length: CHANNELS }, (_, c) =>
    rows
      .map((row, token) => ({ value: Math.fround(row[c]!), token }))
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || a.token - b.token)
      .slice(0, TOP_TOKENS)
      .map(({ value: kept, token }) => [token, kept === 0 ? 0 : kept]),
  );
}

async function readingOf(state: ReturnType<typeof topTokens.create>) {
  const { tokens, values } = await channelTopTokens.read(state, { sequences: 1 });
  return Array.from({ length: CHANNELS }, (_, c) =>
    Array.from({ length: TOP_TOKENS }, (_, k) => [
      tokens[c * TOP_TOKENS + k]!,
      values[c * TOP_TOKENS + k]!,
    ]).filter(([token]) => token !== -1),
  );
}

test('they are the largest of all rows, to the last bit however rows are cut, ordered and merged', async () => {
  const row = fc.array(value, { minLength: CHANNELS, maxLength: CHANNELS });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), fc.nat(), async (rows, seed) => {
      const whole = topTokens.create(CHANNELS, {});
      await topTokens.update(whole, {
        ...{ data: Float32Array.from(rows.flat()), rows: rows.length, channels: CHANNELS, firstToken: 0 },
      });
      expect(await readingOf(whole)).toEqual(expected(rows));
      const parts = [topTokens.create(CHANNELS, {}), topTokens.create(CHANNELS, {})];
      for (const token of rows.keys()) {
        const at = (token * 7 + seed) % rows.length;
        const other = rows.length % 7 === 0 ? token : at;
        await topTokens.update(parts[other % 2]!, {
          ...{ data: Float32Array.from(rows[other]!), rows: 1, channels: CHANNELS, firstToken: other },
        });
      }
      await topTokens.merge(parts[0]!, parts[1]!);
      const bytes = topTokens.serialise(parts[0]!);
      expect(bytes).toEqual(topTokens.serialise(whole));
      expect(topTokens.serialise(topTokens.deserialise(bytes))).toEqual(bytes);
    }),
    { seed: 11, numRuns: 60 },
  );
});

test('rows whose tokens are not known are passed over', async () => {
  const state = topTokens.create(CHANNELS, {});
  await topTokens.update(state, { data: new Float32Array(CHANNELS).fill(9), rows: 1, channels: CHANNELS });
  expect(await readingOf(state)).toEqual([[], [], []]);
});

test('bytes that update cannot have written are refused', async () => {
  const state = topTokens.create(CHANNELS, {});
  const data = Float32Array.from({ length: 8 * CHANNELS }, (_, i) => i);
  await topTokens.update(state, { data, rows: 8, channels: CHANNELS, firstToken: 0 });
  const bytes = topTokens.serialise(state);
  expect(() => topTokens.deserialise(bytes.subarray(0, -4))).toThrow(/do not fit 3 channels/);
  const entry = bytes.length - 8 * CHANNELS * TOP_TOKENS;
  const swapped = bytes.slice();
  swapped.set(bytes.subarray(entry + 8, entry + 16), entry);
  expect(() => topTokens.deserialise(swapped)).toThrow(/out of order/);
});
