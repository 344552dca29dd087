import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { everyCase, must, type LawOptions } from './every-case.ts';
import { shardsOf, statisticCases, wholeOf, type LawTile, type StatisticCase } from './statistic-cases.ts';

/** What the laws need of a statistic: any `Statistic` of esparse is one. */
export interface LawfulStatistic<State> {
  readonly name: string;
  readonly needsDense?: boolean;
  create(channels: number, options: never): State;
  update(state: State, tile: LawTile): Promise<void>;
  merge(into: State, from: State): Promise<void>;
  serialise(state: State): Uint8Array;
  deserialise(bytes: Uint8Array, channels?: number): State;
}

/** How a statistic is tried, and what it is made for. */
export interface StatisticLawOptions<State = never> extends LawOptions {
  /** Values that the statistic takes. @default numbers of the size of activations, zeros and repeated values */
  readonly values?: fc.Arbitrary<number>;
  /**
   * What may come in any order and any shard: `sequence` for a statistic that takes sequences whole, whose rows come
   * in order and in one shard. @default 'row'
   */
  readonly unit?: 'row' | 'sequence';
  /** What `create` is given. @default {} */
  readonly options?: object;
  /**
   * What is read off a state, of a statistic that has no bytes to send: it is compared in their place, and the laws of
   * bytes are left out. A state is read once, as the last thing. @default `serialise`
   */
  readonly read?: (state: State) => unknown;
}

const VALUES = fc.oneof(
  fc.float({ noNaN: true, min: -4, max: 4 }),
  fc.float({ noNaN: true, min: -1000, max: 1000 }),
  fc.constantFrom(0, -0, 1, 1.5, 1e-3),
);

/** Rows of a sequence at most, where sequences stay whole. */
const LONGEST = 5;

/**
 * Checks the laws of a statistic, to the last bit of what it serialises: any order of rows, cut into tiles and shards
 * in any way and merged in any tree, gives the same bytes; a fresh state changes nothing; bytes survive a round trip, and
 * what is read from them carries on; a tile is left as it was.
 *
 * @example
 * test('kurtosis is a commutative monoid', () => statisticLaws(kurtosis));
 *
 * @throws Error that names statistic, law and the simplest case found that breaks it
 */
export async function statisticLaws<State>(
  statistic: LawfulStatistic<State>,
  { values = VALUES, unit = 'row', options = {}, read, ...law }: StatisticLawOptions<State> = {},
): Promise<void> {
  const { name } = statistic;
  const fresh = (channels: number) => statistic.create(channels, options as never);
  const add = async (state: State, tiles: readonly LawTile[]) => {
    for (const tile of tiles) await statistic.update(state, tile);
    return state;
  };

  const check = async (example: StatisticCase) => {
    const { channels } = example;
    const seen = (state: State) =>
      Promise.resolve(read === undefined ? statistic.serialise(state) : read(state));
    const expected = await seen(await add(fresh(channels), wholeOf(example)));
    const same = async (state: State, otherwise: string) => {
      must(isDeepStrictEqual(await seen(state), expected), otherwise);
    };
    const shards = () => shardsOf(example);
    const states = (): Promise<State[]> => Promise.all(shards().map((tiles) => add(fresh(channels), tiles)));

    await same(await add(fresh(channels), shards().flat()), 'tiles in another order give another state');

    const left = fresh(channels);
    for (const state of await states()) await statistic.merge(left, state);
    await same(left, 'merging one by one gives another state');

    await same(await mergeInTree(statistic, await states()), 'merging in a tree gives another state');

    const whole = await add(fresh(channels), wholeOf(example));
    await statistic.merge(whole, fresh(channels));
    await same(whole, 'a fresh state changes what it is merged into');

    if (read === undefined) {
      const bytes = statistic.serialise(await add(fresh(channels), wholeOf(example)));
      await same(statistic.deserialise(bytes, channels), 'bytes do not survive a round trip');

      const [first = [], ...others] = shards();
      const begun = statistic.serialise(await add(fresh(channels), first));
      await same(
        await add(statistic.deserialise(begun), others.flat()),
        'a state read from bytes does not carry on',
      );
    }

    const tiles = wholeOf(example);
    await add(fresh(channels), tiles);
    must(isDeepStrictEqual(tiles, wholeOf(example)), 'a tile is changed by its update');
  };

  const cases = statisticCases(values, unit === 'row' ? 1 : LONGEST, statistic.needsDense === true);
  await everyCase(`statistic ${name}`, cases, check, (example) => fc.stringify(example), law);
}

/** Merges neighbours until one is left; right into left, then left into right: the sides of a merge must not differ. */
async function mergeInTree<State>(statistic: LawfulStatistic<State>, states: State[]): Promise<State> {
  let level = states;
  while (level.length > 1) {
    const next: State[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [a, b] = i % 4 === 0 ? [level[i]!, level[i + 1]] : [level[i + 1] ?? level[i]!, level[i]];
      if (b !== undefined && a !== b) await statistic.merge(a, b);
      next.push(a);
    }
    level = next;
  }
  return level[0]!;
}
