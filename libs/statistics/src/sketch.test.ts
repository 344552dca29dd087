import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import {
  amplitude,
  entropy,
  maxSketchBytes,
  mergeSketches,
  mergeSerialised,
  serialiseSketch as pieces,
  type AnyStatistic,
  type StatisticSketch,
} from './index.ts';

const STATISTICS = new Map<string, AnyStatistic>([
  [amplitude.name, amplitude],
  [entropy.name, entropy],
]);

const expected = (...shards: number[]) => ({
  statistics: STATISTICS,
  channels: new Map([
    ['q/amplitude', 2],
    ['q/entropy', 2],
  ]),
  shards,
  tokens: shards.length,
});

async function serialiseSketch(sketch: StatisticSketch): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces(sketch)) all.push(piece);
  return Buffer.concat(all);
}

/** Shard k holds one row, made of k. */
async function sketchOf(shard: number, channels = 2): Promise<StatisticSketch> {
  const tile = { data: Float32Array.from({ length: channels }, (_, c) => shard / 3 + c), rows: 1, channels };
  const [a, e] = [amplitude.create(channels, {}), entropy.create(channels, {})];
  await Promise.all([amplitude.update(a, tile), entropy.update(e, tile)]);
  return {
    shards: [shard],
    states: new Map([
      ['q/amplitude', { statistic: amplitude, state: a }],
      ['q/entropy', { statistic: entropy, state: e }],
    ]),
  };
}

test('sketches merge to the same bytes in any order, and name their shards', async () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 });
  const merged = async (shards: readonly number[]): Promise<StatisticSketch> => {
    let all = await sketchOf(shards[0]!);
    for (const shard of shards.slice(1)) all = await mergeSketches(all, await sketchOf(shard));
    return all;
  };
  const whole = await serialiseSketch(await merged([0, 1, 2, 3, 4, 5]));
  expect(whole.length).toBeLessThan(maxSketchBytes(expected()));
  await fc.assert(
    fc.asyncProperty(order, async (shards) => {
      const all = await merged(shards);
      expect(all.shards).toEqual([0, 1, 2, 3, 4, 5]);
      expect(await serialiseSketch(all)).toEqual(whole);
      expect(
        await serialiseSketch(await mergeSerialised(undefined, whole, expected(0, 1, 2, 3, 4, 5))),
      ).toEqual(whole);
      let received: StatisticSketch | undefined;
      for (const shard of shards) {
        const bytes = await serialiseSketch(await sketchOf(shard));
        received = await mergeSerialised(received, bytes, expected(shard));
      }
      expect(await serialiseSketch(received!)).toEqual(whole);
    }),
    { seed: 14, numRuns: 12 },
  );
});

test('a shard is never counted twice, and a refused merge changes nothing', async () => {
  const into = await mergeSketches(await sketchOf(3), await sketchOf(7));
  const before = await serialiseSketch(into);
  await expect(mergeSketches(into, await sketchOf(7))).rejects.toMatchObject({
    kind: 'protocol',
    message: expect.stringMatching(/shard 7 is in both/),
  });
  expect(await serialiseSketch(into)).toEqual(before);
});

test('sketches that differ in channels, names, versions or parameters are refused', async () => {
  const into = await sketchOf(1);
  const before = await serialiseSketch(into);
  const other = await sketchOf(2);
  const entry = other.states.get('q/entropy')!;
  const change = (name: string, changed: typeof entry): StatisticSketch => ({
    shards: [2],
    states: new Map([...other.states].filter(([key]) => key !== 'q/entropy').concat([[name, changed]])),
  });
  const refusals: [StatisticSketch, RegExp][] = [
    [await sketchOf(2, 3), /channels/],
    [change('k/entropy', entry), /only one of two sketches has "q\/entropy"/],
    [
      change('q/entropy', { ...entry, statistic: { ...entry.statistic, version: 1 } }),
      /entropy version 1 in one/,
    ],
    [change('q/entropy', { ...entry, state: { ...entry.state, parameters: { words: 1 } } }), /parameters/],
  ];
  for (const [from, message] of refusals) await expect(mergeSketches(into, from)).rejects.toThrow(message);
  expect(await serialiseSketch(into)).toEqual(before);
});

test.each([
  ['shards out of order', { shards: [2, 1] }],
  ['a shard twice', { shards: [1, 1] }],
  ['a shard that is no index', { shards: ['1'] }],
  ['another version', { version: 1 }],
  ['an unknown statistic', { states: [['q/amplitude', 'nuclear-norm']] }],
  ['a malformed list', { states: [['q/amplitude']] }],
  [
    'a state twice',
    {
      states: [
        ['q/amplitude', 'amplitude'],
        ['q/amplitude', 'amplitude'],
      ],
    },
  ],
  [
    'a state that was not asked for',
    {
      states: [
        ['q/amplitude', 'amplitude'],
        ['k/entropy', 'entropy'],
      ],
    },
  ],
  ['bytes left over', { states: [] }],
])('%s is refused', async (_name, change) => {
  const bytes = await serialiseSketch(await sketchOf(1));
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  const header: unknown = JSON.parse(Buffer.from(bytes.subarray(12, 12 + length)).toString());
  const text = Buffer.from(JSON.stringify({ ...(header as object), ...change }));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  const changed = Buffer.concat([bytes.subarray(0, 8), size, text, bytes.subarray(12 + length)]);
  await expect(mergeSerialised(undefined, changed, expected(1))).rejects.toThrow(
    /damaged or of another format/,
  );
});

test('a sketch of a shard that is merged already, or of other channels, is refused', async () => {
  const bytes = await serialiseSketch(await sketchOf(1));
  const again = mergeSerialised(await sketchOf(1), bytes, expected(1));
  await expect(again).rejects.toThrow(/shard 1 is in both/);
  await expect(mergeSerialised(undefined, bytes, expected(1, 2))).rejects.toThrow(/other shards than 1, 2/);
  await expect(mergeSerialised(undefined, bytes, { ...expected(1), tokens: 2 })).rejects.toThrow(
    /1 tokens, not 2/,
  );
  const wide = await serialiseSketch(await sketchOf(2, 3));
  await expect(mergeSerialised(undefined, wide, expected(2))).rejects.toThrow(/3 channels, not 2/);
});

test('a small message that inflates to a large one is refused before it does', async () => {
  const bytes = await serialiseSketch(await sketchOf(1));
  const header = 12 + bytes.readUInt32LE(8);
  const bomb = deflateRawSync(Buffer.alloc(50e6));
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32LE(bomb.length, 4);
  for (const claimed of [100, 50e6]) {
    prefix.writeUInt32LE(claimed, 0);
    const states = Buffer.concat([prefix, bomb, prefix, bomb]);
    const hostile = mergeSerialised(
      undefined,
      Buffer.concat([bytes.subarray(0, header), states]),
      expected(1),
    );
    await expect(hostile).rejects.toThrow(/damaged/);
  }
});

test('any change or cut of the bytes is refused or harmless', async () => {
  const bytes = await serialiseSketch(await sketchOf(1));
  await fc.assert(
    fc.asyncProperty(
      fc.nat(bytes.length - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (at, flip, cut) => {
        const changed = bytes.subarray(0, cut ? at : bytes.length).map((byte) => byte);
        if (!cut) changed[at]! ^= flip;
        try {
          await mergeSerialised(undefined, changed, expected(1));
        } catch (error) {
          expect(error).toMatchObject({ kind: 'protocol' });
        }
      },
    ),
    { seed: 15, numRuns: 300 },
  );
});
