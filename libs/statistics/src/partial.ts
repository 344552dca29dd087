import { EsparseError } from '@esparse/errors';
import { checkAlike } from './checks.ts';
import { damaged, readFrame, writeFrame } from './frame.ts';
import type { Statistic, StatisticState } from './statistic.ts';

const MAGIC = 'esp-part';
/** Raised when the layout changes. */
const VERSION = 1;
/** Most shards in a run: far above the calibration sets in use, and it bounds a hostile header. */
const MAX_SHARDS = 2 ** 16;
/** Most states in a partial: the taps of a block times the statistics of a run, with room for experts. */
const MAX_STATES = 2 ** 12;

/** Most channels of all states together: a sparse histogram of 12 bytes unfolds to 19.7 KB, so this bounds the memory. */
const MAX_PARTIAL_CHANNELS = 2 ** 18;

/** Any statistic, whatever its state. */
export type AnyStatistic = Statistic<StatisticState, unknown>;

/** One statistic of one tap. */
export interface PartialState {
  readonly statistic: AnyStatistic;
  readonly state: StatisticState;
}

/** The statistics of a block over some of its shards, all of them complete. */
export interface Partial {
  /** The shards that the states have seen, ascending, each once. */
  readonly shards: readonly number[];
  /** By a name that the run chooses, such as `tap/statistic`. */
  readonly states: ReadonlyMap<string, PartialState>;
}

/**
 * Merges two partials of the same block; neither may be used again, only the one returned.
 *
 * @throws EsparseError `protocol`, both still as they were, where a shard is in both, or where their states differ
 *   in names, statistics, versions, channels or parameters.
 */
export async function mergePartials(into: Partial, from: Partial): Promise<Partial> {
  const seen = new Set(into.shards);
  const twice = from.shards.find((shard) => seen.has(shard));
  if (twice !== undefined) {
    throw new EsparseError('protocol', `shard ${twice} is in both partials: merging would count it twice`, {
      hint: 'merge each shard once; drop the later of two partials of the same shard',
      context: { shard: twice },
    });
  }
  const missing =
    [...into.states.keys()].find((name) => !from.states.has(name)) ??
    [...from.states.keys()].find((name) => !into.states.has(name));
  if (missing !== undefined) {
    throw new EsparseError(
      'protocol',
      `only one of two partials has "${missing}": they are not of the same run`,
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
        `"${name}" is ${label(theirs)} in one partial and ${label(mine)} in the other`,
      );
    }
    checkAlike(name, mine.state, theirs.state);
  }
  for (const { mine, theirs } of pairs) await mine.statistic.merge(mine.state, theirs.state);
  return { shards: [...into.shards, ...from.shards].sort((a, b) => a - b), states: into.states };
}

/** A partial as bytes: the same for the same shards, whatever the order in which they were merged. */
export function serialisePartial(partial: Partial): Uint8Array {
  checkShards(partial.shards);
  const entries = [...partial.states].sort(([a], [b]) => (a < b ? -1 : 1));
  const bodies = entries.map(([, { statistic, state }]) => statistic.serialise(state));
  const states = entries.map(([name, { statistic }], i) => [name, statistic.name, bodies[i]!.length]);
  return writeFrame(MAGIC, { version: VERSION, shards: partial.shards, states }, bodies);
}

/**
 * The partial that `serialisePartial` wrote.
 *
 * @param statistics the statistics of the run, by name: others are refused.
 * @throws EsparseError `protocol` for bytes that it cannot have written.
 */
export function deserialisePartial(
  bytes: Uint8Array,
  statistics: ReadonlyMap<string, AnyStatistic>,
): Partial {
  const what = 'a partial';
  const { header, body } = readFrame(MAGIC, bytes, what);
  const version = header.whole('version', 0, Number.MAX_SAFE_INTEGER);
  if (version !== VERSION) throw damaged(what, `it has version ${version}, this esparse has ${VERSION}`);
  const shards = header.list('shards', MAX_SHARDS).map((shard) => (typeof shard === 'number' ? shard : NaN));
  checkShards(shards);
  const states = new Map<string, PartialState>();
  let channels = 0;
  let at = 0;
  for (const entry of header.list('states', MAX_STATES)) {
    if (!isEntry(entry) || states.has(entry[0])) throw damaged(what, 'its list of states is malformed');
    const [name, statisticName, length] = entry;
    const statistic = statistics.get(statisticName);
    if (statistic === undefined) throw damaged(what, `it has a statistic that this run does not`);
    if (length > body.length - at) throw damaged(what, 'it is cut short');
    const state = statistic.deserialise(body.subarray(at, at + length));
    channels += state.channels;
    if (channels > MAX_PARTIAL_CHANNELS) throw damaged(what, `it has over ${MAX_PARTIAL_CHANNELS} channels`);
    states.set(name, { statistic, state });
    at += length;
  }
  if (at !== body.length) throw damaged(what, `${body.length - at} bytes are left over`);
  return { shards, states };
}

function label({ statistic }: PartialState): string {
  return `${statistic.name} version ${statistic.version}`;
}

/** Shards are indices: whole, ascending, each once. */
function checkShards(shards: readonly number[]): void {
  const fine = shards.every(
    (shard, i) => Number.isSafeInteger(shard) && shard >= 0 && (i === 0 || shard > shards[i - 1]!),
  );
  if (!fine || shards.length > MAX_SHARDS) {
    throw damaged('a partial', `its shards are not at most ${MAX_SHARDS} ascending indices`);
  }
}

function isEntry(value: unknown): value is readonly [string, string, number] {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [name, statistic, length] = value as readonly unknown[];
  return (
    typeof name === 'string' &&
    typeof statistic === 'string' &&
    Number.isSafeInteger(length) &&
    Number(length) >= 0
  );
}
