import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { Statistic, StatisticState, StatisticTile } from '../statistic.ts';

/** What a law check needs to know of a statistic. */
export interface LawSubject<State extends StatisticState, Options> {
  readonly statistic: Statistic<State, Options>;
  readonly options: Options;
  /** Values that the statistic accepts. */
  readonly values: fc.Arbitrary<number>;
  readonly seed: number;
  readonly runs: number;
}

/** Some rows, an order of them, and a way to cut that order into parts. */
interface Case {
  readonly channels: number;
  readonly rows: readonly (readonly number[])[];
  readonly order: readonly number[];
  readonly cuts: readonly number[];
}

function cases(values: fc.Arbitrary<number>): fc.Arbitrary<Case> {
  return fc
    .record({ channels: fc.integer({ min: 1, max: 6 }), count: fc.integer({ min: 1, max: 24 }) })
    .chain(({ channels, count }) =>
      fc.record({
        channels: fc.constant(channels),
        rows: fc.array(fc.array(values, { minLength: channels, maxLength: channels }), {
          minLength: count,
          maxLength: count,
        }),
        order: fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
        cuts: fc.array(fc.nat(count), { maxLength: 5 }),
      }),
    );
}

function tileOf(rows: readonly (readonly number[])[], channels: number): StatisticTile {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, channels };
}

/** The parts of a case: its rows in its order, cut where it says; some parts may be empty. */
function partsOf({ rows, order, cuts }: Case): (readonly number[])[][] {
  const shuffled = order.map((i) => rows[i]!);
  const ends = [...cuts].sort((a, b) => a - b).concat(rows.length);
  return ends.map((end, i) => shuffled.slice(i === 0 ? 0 : ends[i - 1], end));
}

/**
 * Checks the laws of a statistic, throwing at the first that fails with the data that broke it: any order of rows,
 * cut into tiles anyhow and merged in any tree, gives the same bytes; a fresh state changes nothing; and bytes
 * survive a round trip.
 */
export async function checkMonoidLaws<State extends StatisticState, Options>(
  subject: LawSubject<State, Options>,
): Promise<void> {
  const { statistic, options, values, seed, runs } = subject;
  const seen = async (rows: readonly (readonly number[])[], channels: number): Promise<State> => {
    const state = statistic.create(channels, options);
    await statistic.update(state, tileOf(rows, channels));
    return state;
  };
  const property = fc.asyncProperty(cases(values), async (example) => {
    const { channels, rows } = example;
    const expected = statistic.serialise(await seen(rows, channels));
    const same = (law: string, state: State): void => {
      if (!isDeepStrictEqual(statistic.serialise(state), expected))
        throw new Error(`${statistic.name}: ${law}`);
    };
    const parts = partsOf(example);

    const tiled = statistic.create(channels, options);
    for (const part of parts) await statistic.update(tiled, tileOf(part, channels));
    same('tiles in another order give another state', tiled);

    const left = statistic.create(channels, options);
    for (const part of parts) await statistic.merge(left, await seen(part, channels));
    same('merging one by one gives another state', left);

    let level: State[] = [];
    for (const part of parts) level.push(await seen(part, channels));
    while (level.length > 1) {
      const next: State[] = [];
      for (let i = 0; i < level.length; i += 2) {
        // Right into left, then left into right: the two sides of a merge must not differ.
        const [a, b] = i % 4 === 0 ? [level[i]!, level[i + 1]] : [level[i + 1] ?? level[i]!, level[i]];
        if (b !== undefined && a !== b) await statistic.merge(a, b);
        next.push(a);
      }
      level = next;
    }
    same('merging in a tree gives another state', level[0]!);

    const whole = await seen(rows, channels);
    await statistic.merge(whole, statistic.create(channels, options));
    same('a fresh state changes what it is merged into', whole);

    same('bytes do not survive a round trip', statistic.deserialise(expected));
    const carriedOn = statistic.deserialise(statistic.serialise(await seen(parts[0]!, channels)));
    for (const part of parts.slice(1)) await statistic.update(carriedOn, tileOf(part, channels));
    same('a state read from bytes does not carry on', carriedOn);
  });
  await fc.assert(property, { seed, numRuns: runs });
}
