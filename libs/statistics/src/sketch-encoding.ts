import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { EsparseError } from '@esparse/errors';
import { damaged, MAX_HEADER, readFrame, writeFrame } from './frame.ts';
import { checkDisjoint, checkShards, MAX_SHARDS, type SketchState, type StatisticSketch } from './sketch.ts';
import type { AnyStatistic, ArrivingPieces, StatisticState } from './statistic.ts';

const MAGIC = 'esp-part';
/** Raised when the layout changes. */
const VERSION = 2;
/** Bytes before each state: its length, and that of what it is deflated to. */
const STATE_PREFIX = 8;
/** Most states in a sketch: the taps of a block times the statistics of a run, with room for experts. */
const MAX_STATES = 2 ** 12;

/** Bytes of one channel of any statistic at most, before they are deflated: a full histogram takes 35 KB. */
const MAX_CHANNEL_BYTES = 40_000;
/** Room for a state's header, whatever its channels. */
const MAX_STATE_HEADER = 4096;

/**
 * A sketch as bytes, piece by piece: a header, then each state, deflated. The same for the same shards, whatever the
 * order in which they were merged. No more than one state's bytes exist at a time.
 *
 * @param compress whether states become smaller: where half the bytes are not worth some seconds, they are only put into the same
 * form @default true
 */
export async function* serialiseSketch(
  sketch: StatisticSketch,
  { compress = true }: { readonly compress?: boolean } = {},
): AsyncGenerator<Uint8Array> {
  checkShards(sketch.shards);
  const entries = [...sketch.states].sort(([a], [b]) => (a < b ? -1 : 1));
  const states = entries.map(([name, { statistic }]) => [name, statistic.name]);
  yield writeFrame(MAGIC, { version: VERSION, shards: sketch.shards, states }, []);
  for (const [, { statistic, state }] of entries) {
    const bytes = statistic.serialise(state);
    const deflated = await promisify(deflateRaw)(bytes, compress ? DEFLATE : STORE);
    const prefix = new Uint8Array(STATE_PREFIX);
    const view = new DataView(prefix.buffer);
    view.setUint32(0, bytes.length, true);
    view.setUint32(4, deflated.length, true);
    yield prefix;
    yield deflated;
  }
}

/** Columns hold no repeated strings, only skewed numbers: each byte by its own frequency, in a fraction of the time. */
const DEFLATE = { strategy: constants.Z_HUFFMAN_ONLY, level: 1, memLevel: 9 };

const STORE = { level: 0, chunkSize: 2 ** 22 };

/** What the reader of a sketch knows beforehand. */
export interface SketchExpectation {
  /** The statistics of the run, by name. */
  readonly statistics: ReadonlyMap<string, AnyStatistic>;
  /** The states that it must have, by name, and the channels of each. */
  readonly channels: ReadonlyMap<string, number>;
  /** The shards that it must be of, and the tokens in them. */
  readonly shards: readonly number[];
  readonly tokens: number;
  /** The states that may be of fewer tokens, by name: those of experts. @default none */
  readonly fewer?: ReadonlySet<string> | undefined;
  /** The states of rows of their own number, by name: those of values of a graph. @default none */
  readonly ownRows?: ReadonlySet<string> | undefined;
}

/** Bytes that a sketch may have at most, so that its reader holds no more. */
export function maxSketchBytes({ channels }: Pick<SketchExpectation, 'channels'>): number {
  let bytes = MAX_HEADER;
  for (const count of channels.values()) bytes += stateBytes(count) + STATE_PREFIX;
  return bytes;
}

/**
 * Merges a sketch that `serialiseSketch` wrote into another one, state by state, so that no more than one of its
 * states exists at a time; `into` must not be used again, whatever comes of it. Without `into`, just reads it.
 *
 * @param arrived - what came before the sketch: pieces of states that have some, and states that are not in it, by name
 * @throws EsparseError `protocol` for bytes that it cannot have written or that are not as expected, and where a
 *   shard is in both.
 */
export async function mergeSerialised(
  into: StatisticSketch | undefined,
  bytes: Uint8Array,
  expected: SketchExpectation,
  { pieces = new Map(), states: taken = new Map() }: ArrivedStates = {},
): Promise<StatisticSketch> {
  const { statistics, channels, tokens, fewer, ownRows } = expected;
  const { shards, entries } = readIndex(bytes, statistics);
  if (shards.length !== expected.shards.length || shards.some((shard, i) => shard !== expected.shards[i])) {
    throw damaged(WHAT, `it is of other shards than ${expected.shards.join(', ')}`);
  }
  for (const { name } of entries) {
    if (!channels.has(name)) throw damaged(WHAT, `it has "${name.slice(0, 80)}", which was not asked for`);
  }
  if (entries.length + taken.size !== channels.size) throw damaged(WHAT, 'it lacks states');
  const states = new Map<string, SketchState>();
  if (into !== undefined) checkDisjoint(into.shards, shards);
  const merge = async (name: string, { statistic, state }: SketchState): Promise<void> => {
    const isDue =
      state.tokens === tokens ||
      ownRows?.has(name) === true ||
      (fewer?.has(name) === true && state.tokens < tokens);
    if (!isDue) throw damaged(WHAT, `"${name}" is of ${state.tokens} tokens, not ${tokens}`);
    if (statistic.pieces !== undefined)
      (pieces.get(name) ?? statistic.pieces.receive(state.channels)).complete(state);
    const mine = into?.states.get(name);
    if (into !== undefined && mine === undefined) {
      throw new EsparseError(
        'protocol',
        `only one of two sketches has "${name}": they are not of the same run`,
      );
    }
    if (mine !== undefined) {
      await mine.statistic.merge(mine.state, state);
      statistic.dispose?.(state);
    }
    states.set(name, mine ?? { statistic, state });
  };
  for (const [name, each] of taken) await merge(name, each);
  for (const { name, statistic, length, deflated } of entries) {
    if (taken.has(name)) throw damaged(WHAT, `it has "${name.slice(0, 80)}" twice`);
    const width = channels.get(name)!;
    if (length > stateBytes(width)) throw damaged(WHAT, `"${name}" has ${length} bytes`);
    await merge(name, { statistic, state: statistic.deserialise(await inflate(deflated, length), width) });
  }
  return { shards: [...(into?.shards ?? []), ...shards].sort((a, b) => a - b), states };
}

/** What comes before a sketch, beside it. */
export interface ArrivedStates {
  /** Of states that have pieces, by name. @default none came */
  readonly pieces?: ReadonlyMap<string, ArrivingPieces<StatisticState>> | undefined;
  /** States that are not in the sketch, by name. @default all are in it */
  readonly states?: ReadonlyMap<string, SketchState> | undefined;
}

interface Entry {
  readonly name: string;
  readonly statistic: AnyStatistic;
  /** Bytes of the state, before they were deflated. */
  readonly length: number;
  readonly deflated: Uint8Array;
}

const WHAT = 'a sketch';

/** Takes a sketch's bytes apart: everything is checked but what is deflated. */
function readIndex(
  bytes: Uint8Array,
  statistics: ReadonlyMap<string, AnyStatistic>,
): { shards: readonly number[]; entries: readonly Entry[] } {
  const { header, body } = readFrame(MAGIC, bytes, WHAT);
  const version = header.whole('version', 0, Number.MAX_SAFE_INTEGER);
  if (version !== VERSION) throw damaged(WHAT, `it has version ${version}, this esparse has ${VERSION}`);
  const shards = header.list('shards', MAX_SHARDS).map((shard) => (typeof shard === 'number' ? shard : NaN));
  checkShards(shards);
  const entries: Entry[] = [];
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let at = 0;
  for (const named of header.list('states', MAX_STATES)) {
    if (!isNamed(named) || entries.some(({ name }) => name === named[0])) {
      throw damaged(WHAT, 'its list of states is malformed');
    }
    const [name, statisticName] = named;
    const statistic = statistics.get(statisticName);
    if (statistic === undefined) throw damaged(WHAT, 'it has a statistic that this run does not');
    if (STATE_PREFIX > body.length - at) throw damaged(WHAT, 'it is cut short');
    const length = view.getUint32(at, true);
    const end = at + STATE_PREFIX + view.getUint32(at + 4, true);
    if (end > body.length) throw damaged(WHAT, 'it is cut short');
    entries.push({ name, statistic, length, deflated: body.subarray(at + STATE_PREFIX, end) });
    at = end;
  }
  if (at !== body.length) throw damaged(WHAT, `${body.length - at} bytes are left over`);
  return { shards, entries };
}

/** Exactly `length` bytes, never more, whatever the deflated ones say. */
async function inflate(deflated: Uint8Array, length: number): Promise<Uint8Array> {
  try {
    const bytes = await promisify(inflateRaw)(deflated, {
      maxOutputLength: Math.max(1, length),
      // Into one piece of memory.
      chunkSize: Math.max(64, length + 1),
    });
    if (bytes.length === length) return bytes;
  } catch (cause) {
    throw damaged(WHAT, 'a state in it cannot be inflated', cause);
  }
  throw damaged(WHAT, 'a state in it has another length than it says');
}

function stateBytes(channels: number): number {
  return MAX_STATE_HEADER + channels * MAX_CHANNEL_BYTES;
}

function isNamed(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string');
}
