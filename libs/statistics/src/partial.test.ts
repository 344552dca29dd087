import fc from 'fast-check';
import {
  amplitude,
  deserialisePartial,
  entropy,
  mergePartials,
  serialisePartial,
  type AnyStatistic,
  type Partial,
} from './index.ts';

const STATISTICS = new Map<string, AnyStatistic>([
  [amplitude.name, amplitude],
  [entropy.name, entropy],
]);

/** Shard k holds one row, made of k. */
async function partialOf(shard: number, channels = 2): Promise<Partial> {
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

test('partials merge to the same bytes in any order, and name their shards', async () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 });
  const merged = async (shards: readonly number[]): Promise<Partial> => {
    let all = await partialOf(shards[0]!);
    for (const shard of shards.slice(1)) all = await mergePartials(all, await partialOf(shard));
    return all;
  };
  const expected = serialisePartial(await merged([0, 1, 2, 3, 4, 5]));
  await fc.assert(
    fc.asyncProperty(order, async (shards) => {
      const all = await merged(shards);
      expect(all.shards).toEqual([0, 1, 2, 3, 4, 5]);
      expect(serialisePartial(all)).toEqual(expected);
      expect(serialisePartial(deserialisePartial(expected, STATISTICS))).toEqual(expected);
    }),
    { seed: 14, numRuns: 12 },
  );
});

test('a shard is never counted twice, and a refused merge changes nothing', async () => {
  const into = await mergePartials(await partialOf(3), await partialOf(7));
  const before = serialisePartial(into);
  await expect(mergePartials(into, await partialOf(7))).rejects.toMatchObject({
    kind: 'protocol',
    message: expect.stringMatching(/shard 7 is in both/),
  });
  expect(serialisePartial(into)).toEqual(before);
});

test('partials that differ in channels, names, versions or parameters are refused', async () => {
  const into = await partialOf(1);
  const before = serialisePartial(into);
  const other = await partialOf(2);
  const entry = other.states.get('q/entropy')!;
  const change = (name: string, changed: typeof entry): Partial => ({
    shards: [2],
    states: new Map([...other.states].filter(([key]) => key !== 'q/entropy').concat([[name, changed]])),
  });
  const refusals: [Partial, RegExp][] = [
    [await partialOf(2, 3), /channels/],
    [change('k/entropy', entry), /only one of two partials has "q\/entropy"/],
    [
      change('q/entropy', { ...entry, statistic: { ...entry.statistic, version: 2 } }),
      /entropy version 2 in one/,
    ],
    [change('q/entropy', { ...entry, state: { ...entry.state, parameters: { words: 1 } } }), /parameters/],
  ];
  for (const [from, message] of refusals) await expect(mergePartials(into, from)).rejects.toThrow(message);
  expect(serialisePartial(into)).toEqual(before);
});

test.each([
  ['shards out of order', { shards: [2, 1] }],
  ['a shard twice', { shards: [1, 1] }],
  ['a shard that is no index', { shards: ['1'] }],
  ['another version', { version: 2 }],
  ['an unknown statistic', { states: [['x', 'nuclear-norm', 0]] }],
  ['a malformed list', { states: [['x', 'entropy', -1]] }],
  ['a length beyond the end', { states: [['x', 'entropy', 2 ** 40]] }],
  ['bytes left over', { states: [] }],
])('%s is refused', async (_name, change) => {
  const bytes = serialisePartial(await partialOf(1));
  const length = new DataView(bytes.buffer).getUint32(8, true);
  const header: unknown = JSON.parse(Buffer.from(bytes.subarray(12, 12 + length)).toString());
  const text = Buffer.from(JSON.stringify({ ...(header as object), ...change }));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  const changed = Buffer.concat([bytes.subarray(0, 8), size, text, bytes.subarray(12 + length)]);
  expect(() => deserialisePartial(changed, STATISTICS)).toThrow(/damaged or of another format/);
});

test('any change or cut of the bytes is refused or harmless', async () => {
  const bytes = serialisePartial(await partialOf(1));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, cut) => {
      const changed = bytes.slice(0, cut ? at : bytes.length);
      if (!cut) changed[at]! ^= flip;
      try {
        deserialisePartial(changed, STATISTICS);
      } catch (error) {
        expect(error).toMatchObject({ kind: 'protocol' });
      }
    }),
    { seed: 15, numRuns: 500 },
  );
});
