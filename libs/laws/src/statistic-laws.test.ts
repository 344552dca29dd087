import fc from 'fast-check';
import { statisticLaws, type LawfulStatistic } from './index.ts';
import { largest, type LargestState } from './testing/largest.ts';

test('a statistic that keeps the laws passes', () => statisticLaws(largest));

/** Adds up as numbers come: rounding makes the sum depend on their order. */
const sum: LawfulStatistic<LargestState> = {
  ...largest,
  name: 'sum',
  update({ values }, { data, channels }) {
    data.forEach((x, i) => {
      values[i % channels] = values[i % channels]! + x;
    });
    return Promise.resolve();
  },
  merge(into, from) {
    from.values.forEach((x, c) => {
      into.values[c] = into.values[c]! + x;
    });
    return Promise.resolve();
  },
};

test.each<[string, LawfulStatistic<LargestState>]>([
  ['another state', sum],
  [
    'statistic largest: merging one by one gives another state',
    { ...largest, merge: () => Promise.resolve() },
  ],
  ['statistic largest: merging in a tree gives another state', withoutTrees()],
  ['statistic largest: a fresh state changes what it is merged into', withoutIdentity()],
  [
    'statistic largest: bytes do not survive a round trip',
    { ...largest, deserialise: (bytes) => ({ values: new Float32Array(bytes.length / 4).fill(7) }) },
  ],
  [
    'statistic largest: a tile is changed by its update',
    {
      ...largest,
      update: async (state, tile) => {
        await largest.update(state, tile);
        tile.data.fill(0);
      },
    },
  ],
])('a statistic that breaks a law is refused: %s', async (law, statistic) => {
  await expect(statisticLaws(statistic)).rejects.toThrow(law);
});

/** Merging a state that has seen nothing leaves a trace. */
function withoutIdentity(): LawfulStatistic<LargestState> {
  const fresh = new WeakSet<LargestState>();
  return {
    ...largest,
    create(channels) {
      const state = largest.create(channels);
      fresh.add(state);
      return state;
    },
    update(state, tile) {
      fresh.delete(state);
      return largest.update(state, tile);
    },
    async merge(into, from) {
      await largest.merge(into, from);
      if (fresh.has(from)) into.values[0] = 7;
      fresh.delete(into);
    },
  };
}

/** A state that is itself merged is forgotten where it is merged again. */
function withoutTrees(): LawfulStatistic<LargestState> {
  const merged = new WeakSet<LargestState>();
  return {
    ...largest,
    async merge(into, from) {
      if (!merged.has(from)) await largest.merge(into, from);
      merged.add(into);
    },
  };
}

/** Counts rows that are larger than the one before: nothing that survives another order of rows. */
const rises: LawfulStatistic<{ count: number; last: number }> = {
  name: 'rises',
  create: () => ({ count: 0, last: NaN }),
  update(state, { data, rows, channels, endsSequence }) {
    for (let r = 0; r < rows; r++) {
      if (data[r * channels]! > state.last) state.count++;
      state.last = data[r * channels]!;
    }
    if (endsSequence === true) state.last = NaN;
    return Promise.resolve();
  },
  merge(into, from) {
    into.count += from.count;
    return Promise.resolve();
  },
  serialise: ({ count }) => Uint8Array.of(count),
  deserialise: ([count]) => ({ count: count!, last: NaN }),
};

test('a statistic that takes sequences whole keeps the laws by sequence, and only by sequence', async () => {
  await statisticLaws(rises, { unit: 'sequence' });
  const asRows = {
    ...rises,
    update: (state: { count: number; last: number }, tile: never) =>
      rises.update(state, { ...(tile as object), endsSequence: false } as never),
  };
  await expect(statisticLaws(asRows)).rejects.toThrow('tiles in another order give another state');
});

test('a statistic without bytes is compared by what is read off it', async () => {
  const refused = (): never => {
    throw new Error('it has no bytes');
  };
  const silent = { ...rises, serialise: refused, deserialise: refused };
  await expect(statisticLaws(silent, { unit: 'sequence' })).rejects.toThrow('it has no bytes');
  const read = ({ count }: { count: number }) => Promise.resolve(count);
  await statisticLaws(silent, { unit: 'sequence', read });
  const forgetful = { ...silent, merge: () => Promise.resolve() };
  await expect(statisticLaws(forgetful, { unit: 'sequence', read })).rejects.toThrow(
    'merging one by one gives another state',
  );
});

test('a statistic that needs the dense model’s rows gets them beside the others', async () => {
  const above: LawfulStatistic<{ count: number }> = {
    name: 'above',
    needsDense: true,
    create: () => ({ count: 0 }),
    update: (state, { data, dense }) => {
      if (dense?.length !== data.length) return Promise.reject(new Error('no rows of the dense model'));
      state.count += dense.filter((value, i) => value > data[i]!).length;
      return Promise.resolve();
    },
    merge: (into, from) => Promise.resolve(void (into.count += from.count)),
    serialise: ({ count }) => Buffer.from(String(count)),
    deserialise: (bytes) => ({ count: Number(Buffer.from(bytes).toString()) }),
  };
  await statisticLaws(above);
  await expect(statisticLaws({ ...above, needsDense: false })).rejects.toThrow('no rows of the dense model');
});

test('the case that breaks a law is reported in its simplest form, with the seed', async () => {
  const noNegative: LawfulStatistic<LargestState> = {
    ...largest,
    update: (state, tile) =>
      tile.data.some((x) => x < 0) ? Promise.reject(new Error('negative')) : largest.update(state, tile),
  };
  const options = { values: fc.integer({ min: -9, max: 9 }), seed: 5 };
  await expect(statisticLaws(noNegative, options)).rejects.toThrow(
    'statistic largest: negative\n  with {"channels":1,"sequences":[[[-1]]],"order":[0],"cuts":[],"rowsEach":1}\n  (seed 5)',
  );
  await statisticLaws(noNegative, { ...options, values: fc.integer({ min: 0, max: 9 }) });
});
