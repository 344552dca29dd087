import fc from 'fast-check';
import { statisticLaws } from '@esparse/laws';
import { damagedState, defineStatistic, readerOf, type StatisticTile } from './index.ts';

/** The largest magnitude of each channel: about the simplest statistic of channels there is. */
const peak = defineStatistic<{ readonly peaks: Float32Array }>({
  name: 'peak',
  maxRows: 64,
  create: (channels) => ({ peaks: new Float32Array(channels) }),
  update({ peaks }, { data, rows, channels }) {
    for (let i = 0; i < rows * channels; i++) {
      const c = i % channels;
      peaks[c] = Math.max(peaks[c]!, Math.abs(data[i]!));
    }
  },
  merge(into, { peaks }) {
    for (const [c, value] of peaks.entries()) into.peaks[c] = Math.max(into.peaks[c]!, value);
  },
  serialise: ({ peaks }) => new Uint8Array(peaks.slice().buffer),
  deserialise(bytes, channels) {
    if (bytes.length !== 4 * channels) throw damagedState('peak', 'of another length');
    return { peaks: new Float32Array(bytes.slice().buffer) };
  },
});

const tile = (...data: number[]): StatisticTile => ({
  data: Float32Array.from(data),
  rows: data.length / 2,
  channels: 2,
});

test('a statistic of its arithmetic alone keeps the laws of statistics', () =>
  statisticLaws(peak, {
    values: fc.float({ noNaN: true, noDefaultInfinity: true }),
    seed: 5,
    runs: 40,
  }));

test('tokens are counted by updates and merges', async () => {
  const [a, b] = [peak.create(2, {}), peak.create(2, {})];
  await peak.update(a, tile(1, -5, 3, 4));
  await peak.update(b, tile(-2, 7));
  await peak.merge(a, b);
  expect(a).toMatchObject({ channels: 2, tokens: 3, peaks: Float32Array.of(3, 7) });
});

test('tiles and states that do not fit are refused before the arithmetic sees them', async () => {
  await expect(peak.update(peak.create(3, {}), tile(1, 2))).rejects.toMatchObject({ kind: 'protocol' });
  await expect(
    peak.update(peak.create(2, {}), tile(...new Array<number>(130).fill(1))),
  ).rejects.toMatchObject({
    hint: expect.stringContaining('at most 64 rows'),
  });
  await expect(peak.merge(peak.create(2, {}), peak.create(3, {}))).rejects.toMatchObject({
    kind: 'protocol',
  });
  expect(() => peak.create(0, {})).toThrow('0 channels');
});

test('an update that fails leaves the tokens as they were', async () => {
  const statistic = defineStatistic<object>({
    name: 'broken',
    create: () => ({}),
    update: () => Promise.reject(new Error('broken')),
    merge: () => undefined,
    serialise: () => new Uint8Array(),
    deserialise: () => ({}),
  });
  const state = statistic.create(2, {});
  await expect(statistic.update(state, tile(1, 2))).rejects.toThrow('broken');
  expect(state.tokens).toBe(0);
});

test('bytes of another version or of other parameters are refused', () => {
  const definition = {
    name: 'versions',
    create: () => ({}),
    update: () => undefined,
    merge: () => undefined,
    serialise: () => new Uint8Array(),
    deserialise: () => ({}),
  };
  const first = defineStatistic<object>(definition);
  const bytes = first.serialise(first.create(1, {}));
  expect(() => defineStatistic<object>({ ...definition, version: 2 }).deserialise(bytes)).toThrow(
    'version 1',
  );
  const other = defineStatistic<object>({ ...definition, parameters: { bins: 2 } });
  expect(() => other.deserialise(bytes)).toThrow('parameters');
});

test('a reading has the type of what it reads', async () => {
  const reader = readerOf(peak, ({ peaks }, { sequences }) => peaks.map((value) => value / sequences));
  const state = peak.create(2, {});
  await peak.update(state, tile(4, -2));
  const values: Float32Array = await reader.read(state, { sequences: 2 });
  expect(values).toEqual(Float32Array.of(2, 1));
  readerOf(peak, (other) => {
    // @ts-expect-error a peak has no histograms
    const { histograms } = other;
    return Number(histograms);
  });
});

test('a statistic says what it takes of a tap, where its author knows', () => {
  const counting = defineStatistic<object>({
    name: 'counting',
    create: () => ({}),
    update: () => undefined,
    merge: () => undefined,
    serialise: () => new Uint8Array(),
    deserialise: () => ({}),
    cost: ({ channels, seqlen, sequences }) => ({ bytes: 8 * channels, seconds: seqlen * sequences }),
  });
  expect(counting.cost!({ channels: 2, seqlen: 3, sequences: 4 })).toEqual({ bytes: 16, seconds: 12 });
  expect(peak).not.toHaveProperty('cost');
});

test('a definition without its arithmetic does not compile', () => {
  // @ts-expect-error a statistic that cannot merge
  defineStatistic<object>({ name: 'half', create: () => ({}), update: () => undefined });
  expect(() =>
    defineStatistic<object>({
      name: 'Bad Name',
      create: () => ({}),
      update: () => undefined,
      merge: () => undefined,
      serialise: () => new Uint8Array(),
      deserialise: () => ({}),
    }),
  ).toThrow('a statistic is called "Bad Name"');
});
