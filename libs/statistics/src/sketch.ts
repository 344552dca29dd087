import { EsparseError } from '@esparse/errors';
import { checkAlike } from './checks.ts';
import { damaged } from './frame.ts';
import type { AnyStatistic, StatisticState } from './statistic.ts';

/** Most shards in a run: far above the calibration sets in use, and it bounds a hostile header. */
export const MAX_SHARDS = 2 ** 16;

/** One statistic of one tap. */
export interface SketchState {
  readonly statistic: AnyStatistic;
  readonly state: StatisticState;
}

/**
 * The statistics of a block over some of its shards, each of these complete: a partial result, merged with the others and
 * sent between processes as bytes (`serialiseSketch`).
 */
export interface StatisticSketch {
  /** The shards that the states have seen, ascending, each once. */
  readonly shards: readonly number[];
  /** By a name that the run chooses, such as `tap/statistic`. */
  readonly states: ReadonlyMap<string, SketchState>;
}

/** Performs the merge of one statistic, such as within a time limit. */
export type MergeRunner = (
  name: string,
  statistic: AnyStatistic,
  merge: () => Promise<void>,
) => Promise<void>;

/**
 * Merges two sketches of the same block; neither may be used again, only the one returned.
 *
 * @throws EsparseError `protocol`, both still as they were, where a shard is in both, or where their states differ
 *   in names, statistics, versions, channels or parameters.
 */
export async function mergeSketches(
  into: StatisticSketch,
  from: StatisticSketch,
  run: MergeRunner = (_name, _statistic, merge) => merge(),
): Promise<StatisticSketch> {
  checkDisjoint(into.shards, from.shards);
  const missing =
    [...into.states.keys()].find((name) => !from.states.has(name)) ??
    [...from.states.keys()].find((name) => !into.states.has(name));
  if (missing !== undefined) {
    throw new EsparseError(
      'protocol',
      `only one of two sketches has "${missing}": they are not of the same run`,
    );
  }
  const pairs = [...into.states].map(([name, mine]) => ({ name, mine, theirs: from.states.get(name)! }));
  for (const { name, mine, theirs } of pairs) {
    if (
      mine.statistic.name !== theirs.statistic.name ||
      mine.statistic.version !== theirs.statistic.version
    ) {
      throw new EsparseError(
        'protocol',
        `"${name}" is ${label(theirs)} in one sketch and ${label(mine)} in the other`,
      );
    }
    checkAlike(name, mine.state, theirs.state);
  }
  for (const { name, mine, theirs } of pairs) {
    await run(name, mine.statistic, () => mine.statistic.merge(mine.state, theirs.state));
  }
  return { shards: [...into.shards, ...from.shards].sort((a, b) => a - b), states: into.states };
}

function label({ statistic }: SketchState): string {
  return `${statistic.name} version ${statistic.version}`;
}

/** Refuses to count a shard twice. */
export function checkDisjoint(into: readonly number[], from: readonly number[]): void {
  const seen = new Set(into);
  const twice = from.find((shard) => seen.has(shard));
  if (twice === undefined) return;
  throw new EsparseError('protocol', `shard ${twice} is in both sketches: merging would count it twice`, {
    hint: 'merge each shard once; drop the later of two sketches of the same shard',
    context: { shard: twice },
  });
}

/** Shards are indices: whole, ascending, each once. */
export function checkShards(shards: readonly number[]): void {
  const fine = shards.every(
    (shard, i) => Number.isSafeInteger(shard) && shard >= 0 && (i === 0 || shard > shards[i - 1]!),
  );
  if (!fine || shards.length > MAX_SHARDS) {
    throw damaged('a sketch', `its shards are not at most ${MAX_SHARDS} ascending indices`);
  }
}
