import type { Gatherer } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import {
  MAX_NAMES,
  MAX_SHARDS,
  MAX_TILE_BYTES,
  type GatherStatisticsReply,
  type StatisticRef__Output,
} from '@esparse/protocol';
import { parametersText, serialiseSketch, type AnyStatistic, type SketchState } from '@esparse/statistics';
import type { StoredHiddenShard } from '@esparse/store';
import { mapAhead } from './ahead.ts';
import type { FoldedState, SharedState } from './device-fold.ts';
import { WORKER_STATISTICS } from './worker-statistics.ts';
import { runsOf, selected, sequenceOutputs, type RunTaps, type ShardStates } from './activations.ts';

export interface FoldOptions {
  readonly block: number;
  readonly shards: readonly number[];
  /** Taps to fold; empty for all. */
  readonly taps: readonly string[];
  /** Whether all tokens go to every expert. @default false */
  readonly allTokens?: boolean | undefined;
  readonly statistics: readonly AnyStatistic[];
  /** Whether the block is run over all sequences of a shard at once. @default false: one after the other */
  readonly wholeShards?: boolean | undefined;
  /** Whether pieces stay where they are, and are shared. @default false: they are sent */
  readonly shares?: boolean;
  readonly signal: AbortSignal;
}

/** Shards that are read while another is computed: as many as Node has threads for files, but for one. */
const SHARDS_AHEAD = 3;

/** The most progress reports of one call, however many tokens it has. */
const MAX_REPORTS = 32;

/** A message carries this much or, where a state is larger, up to what a message may hold. */
const MESSAGE_BYTES = MAX_TILE_BYTES / 4;

/**
 * Folds the activations of a block over shards into statistics and yields them as one sketch, in messages. What one
 * run gives is folded before the next, so that memory is that of one sequence's activations (or one shard's, where shards are
 * run whole) and one sketch, and a worker of N threads never keeps more than N busy.
 */
export async function* foldShards(
  run: RunTaps,
  read: (shard: number) => Promise<ShardStates>,
  { block, shards, taps, allTokens, statistics, wholeShards, signal }: FoldOptions,
): AsyncGenerator<GatherStatisticsReply> {
  // With RxJS: a worker that only streams does without it.
  const { createGatherer } = await import('@esparse/dataflow');
  let gatherer: Gatherer | undefined;
  let tokens = 0;
  const every = Math.ceil(shards.length / MAX_REPORTS);
  try {
    for (const [i, shard] of shards.entries()) {
      const states = await read(shard);
      const [, seqlen] = states.shape;
      for (const { hidden, sequences } of runsOf(states, wholeShards)) {
        signal.throwIfAborted();
        const outputs = selected(await run(hidden, { taps, allTokens }, sequences), taps);
        gatherer ??= createGatherer({
          taps: new Map(outputs.map(({ tap, channels }) => [tap, channels])),
          statistics,
          shards,
        });
        for (const sequence of sequenceOutputs(outputs, sequences)) {
          for (const output of sequence) {
            // No token of the sequence may have gone to an expert.
            if (output.rows > 0) await gatherer.add({ block, ...output, endsSequence: true });
          }
        }
        for (const { data } of outputs) free(data);
        tokens += sequences * seqlen!;
      }
      if ((i + 1) % every === 0) yield { tokens };
    }
    if (gatherer === undefined) throw new EsparseError('internal', 'nothing was folded');
    yield* messagesOf(serialiseSketch(gatherer.sketch()), signal);
  } finally {
    await gatherer?.dispose();
  }
}

/** What a device folds for a caller: see `Compute`. */
export interface DeviceFolding {
  begin(): Promise<unknown>;
  /** A shard's states, of each model that counts; undefined where the device has them. */
  read(shard: number): Promise<readonly StoredHiddenShard[] | undefined>;
  /** Adds it. @returns how many tokens it has */
  add(shard: number, read: readonly StoredHiddenShard[] | undefined): Promise<number>;
  /** What stays where it is from now on, to be opened. */
  shared(): Promise<SharedState[]>;
  /** What was folded, but for that. */
  finish(): Promise<FoldedState[]>;
  piece(tap: string, statistic: string, index: number): Promise<Uint8Array | undefined>;
  end(): Promise<unknown>;
}

/**
 * The same where the device folds: one shard is read while another is computed. Of states that have pieces these are sent
 * first, one at a time. Or what they are opened with is, as soon as that is known, to be read once their name comes alone, and then
 * whoever asked for them says when they are not needed any more.
 */
export async function* foldShardsOnDevice(
  folding: DeviceFolding,
  options: FoldOptions,
): AsyncGenerator<GatherStatisticsReply> {
  await folding.begin();
  let isHeld = false;
  try {
    for await (const message of foldedOnDevice(folding, options)) {
      // What another process may open now is not to go before it says so, whatever happens here.
      isHeld ||= message.shared !== undefined;
      yield message;
    }
    isHeld = options.shares === true;
  } finally {
    if (!isHeld) await folding.end();
  }
}

async function* foldedOnDevice(
  folding: DeviceFolding,
  { shards, statistics, shares = false, signal }: FoldOptions,
): AsyncGenerator<GatherStatisticsReply> {
  const { stateName } = await import('@esparse/dataflow');
  const every = Math.ceil(shards.length / MAX_REPORTS);
  let [tokens, done] = [0, 0];
  const readOf = async (shard: number) => ({ shard, read: await folding.read(shard) });
  const opened = async function* () {
    // Who does not listen any more is told of nothing.
    signal.throwIfAborted();
    for (const { tap, statistic, handles } of await folding.shared())
      yield { state: stateName(tap, statistic), shared: handles.map((handle) => Buffer.from(handle)) };
  };
  for await (const { shard, read } of mapAhead(shards, SHARDS_AHEAD, readOf)) {
    signal.throwIfAborted();
    tokens += await folding.add(shard, read);
    if (shares && done === 0) yield* opened();
    if (++done % every === 0) yield { tokens };
  }
  if (shares) yield* opened();
  const byName = new Map(statistics.map((statistic) => [statistic.name, statistic]));
  const states = new Map<string, SketchState>();
  for (const { tap, statistic: name, state, isShared, tokens: seen } of await folding.finish()) {
    const statistic = byName.get(name)!;
    if (state !== undefined) states.set(stateName(tap, name), { statistic, state });
    if (isShared) yield { state: stateName(tap, name), tokens: seen };
    if (statistic.pieces === undefined || isShared) continue;
    const piecesOf = async function* () {
      for (let index = 0; ; index++) {
        const piece = await folding.piece(tap, name, index);
        if (piece === undefined) return;
        yield piece;
      }
    };
    for await (const message of messagesOf(piecesOf(), signal))
      yield { ...message, state: stateName(tap, name) };
  }
  try {
    // To compress it would take longer than a block does.
    yield* messagesOf(serialiseSketch({ shards, states }, { compress: false }), signal);
  } finally {
    // Of states with pieces only the head is here: what they hold is the device's, and what came between threads has no methods.
    for (const { statistic, state } of states.values())
      if (statistic.pieces === undefined) statistic.dispose?.(state);
  }
}

/** Joins pieces, and cuts them, into messages of a size that gRPC carries well. */
async function* messagesOf(
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<GatherStatisticsReply> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    signal.throwIfAborted();
    for (let at = 0; at < piece.length; at += MESSAGE_BYTES) {
      waiting.push(piece.subarray(at, at + MESSAGE_BYTES));
      size += waiting.at(-1)!.length;
      if (size < MESSAGE_BYTES) continue;
      yield { data: Buffer.concat(waiting) };
      waiting = [];
      size = 0;
    }
  }
  if (size > 0) yield { data: Buffer.concat(waiting) };
}

/** Refuses a list of shards that no pruner sends. */
export function checkShards(shards: readonly number[]): void {
  const ascending = shards.every((shard, i) => i === 0 || shard > shards[i - 1]!);
  if (shards.length > 0 && shards.length <= MAX_SHARDS && ascending) return;
  throw new EsparseError('usage', `${shards.length} shards: expected 1 to ${MAX_SHARDS}, ascending`);
}

/** Refuses names that are too many, or twice there: each costs memory. */
export function checkNames(what: string, names: readonly string[]): void {
  if (names.length <= MAX_NAMES && new Set(names).size === names.length) return;
  throw new EsparseError('usage', `${names.length} ${what}: expected at most ${MAX_NAMES}, each once`);
}

/** The statistics of a request, which must count as the pruner's own do. */
export function statisticsOf(refs: readonly StatisticRef__Output[]): AnyStatistic[] {
  if (refs.length === 0) throw new EsparseError('usage', 'the request names no statistic');
  const names = refs.map(({ name }) => name);
  checkNames('statistics', names);
  return refs.map(({ name, version, parameters }) => {
    const statistic = WORKER_STATISTICS.get(name);
    if (statistic === undefined) {
      throw new EsparseError(
        'protocol',
        `this worker has no statistic ${JSON.stringify(name.slice(0, 80))}`,
        {
          hint: 'run the same esparse version on both sides',
        },
      );
    }
    if (statistic.version !== version || parametersText(statistic.parameters) !== parameters) {
      throw new EsparseError(
        'protocol',
        `${name} is version ${statistic.version} with ${parametersText(statistic.parameters)} in this worker, ` +
          `version ${version} with ${parameters.slice(0, 200)} in the pruner`,
        { hint: 'run the same esparse version on both sides' },
      );
    }
    return statistic;
  });
}
