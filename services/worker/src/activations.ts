import { EsparseError } from '@esparse/errors';
import type { HiddenValues, TapOptions, TapOutput } from '@esparse/model';
import { tileMessages, type ActivationTile } from '@esparse/protocol';
import { mapAhead } from './ahead.ts';

export interface StreamOptions {
  readonly block: number;
  readonly shard: number;
  /** Taps to stream; empty for all. */
  readonly taps: readonly string[];
  /** Whether all tokens go to every expert. @default false */
  readonly allTokens?: boolean | undefined;
  /** The dense model's states of the same shard, where each tile is followed by its rows. @default none */
  readonly dense?: ShardStates | undefined;
  /** Whether the block is run over all sequences at once. @default false: one after the other */
  readonly wholeShards?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** Hidden states of a shard: [sequences, seqlen, hidden]. */
export interface ShardStates<Values extends HiddenValues = HiddenValues> {
  readonly data: Values;
  readonly shape: readonly number[];
}

/**
 * Runs of a block ahead of what is sent: two sequences, or, with `dense`, one in both models. No more than these and the
 * sequence whose tiles are sent exist at a time.
 */
const SEQUENCES_AHEAD = 2;

/** Hidden states that a block is run over at once: those of so many sequences. */
export interface RunStates {
  readonly hidden: HiddenValues;
  readonly sequences: number;
}

/** What a block is run over in turn, to be moved to another thread: each sequence, or the whole shard, which is gone then. */
export function* runsOf(states: ShardStates, wholeShards = false): Generator<RunStates, undefined> {
  if (wholeShards) yield { hidden: states.data, sequences: states.shape[0]! };
  else for (const hidden of sequencesOf(states)) yield { hidden, sequences: 1 };
  return undefined;
}

/** Each sequence's part of what a run gave. */
export function* sequenceOutputs(outputs: readonly TapOutput[], sequences: number): Generator<TapOutput[]> {
  for (let s = 0; s < sequences; s++) {
    yield outputs.map(({ data, rows, ...tap }) => {
      const size = data.length / sequences;
      const part = sequences === 1 ? data : data.subarray(s * size, (s + 1) * size);
      return { ...tap, rows: rows / sequences, data: part };
    });
  }
}

/** The hidden states of each sequence in turn, where they lie. */
export function* viewsOf<Values extends HiddenValues>({
  data,
  shape,
}: ShardStates<Values>): Generator<Values, undefined> {
  const [sequences, seqlen, hidden] = shape as [number, number, number];
  const size = seqlen * hidden;
  for (let s = 0; s < sequences; s++) yield data.subarray(s * size, (s + 1) * size) as Values;
  return undefined;
}

/** A copy of the hidden states of each sequence in turn, to be moved to another thread. */
export function* sequencesOf<Values extends HiddenValues>(
  states: ShardStates<Values>,
): Generator<Values, undefined> {
  for (const view of viewsOf(states)) yield view.slice() as Values;
  return undefined;
}

/**
 * Runs a block over a shard, sequence after sequence, and yields the tiles of its taps in a fixed order: by
 * sequence, then tap, then row, then model. While a sequence's tiles are sent the next ones are computed.
 */
export async function* streamTiles(
  run: RunTaps,
  states: ShardStates,
  { block, shard, taps, allTokens, dense, wholeShards = false, signal }: StreamOptions,
): AsyncGenerator<ActivationTile> {
  const sequences = wholeShards ? states.shape[0]! : 1;
  const runUnlessAborted = async ({ hidden, routedBy }: ModelStates) => {
    signal.throwIfAborted();
    return selected(await run(hidden, { taps, allTokens, routedBy }, sequences), taps);
  };
  const seqlen = states.shape[1]!;
  let number = 0;
  let sequence = 0;
  let outputs: TapOutput[][] = [];
  const runs = runsOfModels(states, dense, wholeShards);
  for await (const output of mapAhead(runs, SEQUENCES_AHEAD, runUnlessAborted)) {
    outputs.push(output);
    if (outputs.length < (dense === undefined ? 1 : 2)) continue;
    const [ownRun, otherRun] = outputs;
    const ofOthers = otherRun === undefined ? undefined : sequenceOutputs(otherRun, sequences);
    for (const own of sequenceOutputs(ownRun!, sequences)) {
      const others = ofOthers?.next().value as TapOutput[] | undefined;
      for (const [i, tap] of own.entries()) {
        const sequenceRows = tap.rows === seqlen ? undefined : tap.rows;
        const tile = { block, shard, sequence, firstRow: 0, sequenceRows, ...tap };
        for (const message of tileMessages(
          others === undefined ? tile : { ...tile, dense: others[i]!.data },
          number,
        )) {
          number++;
          yield message;
        }
      }
      sequence++;
    }
    outputs = [];
  }
}

/** Runs a block over the hidden states of so many sequences, one if it is not said, which are gone then. */
export type RunTaps = (hidden: HiddenValues, options: TapOptions, sequences?: number) => Promise<TapOutput[]>;

/** Runs a block over a shard: its states before the next block. */
export async function advanceStates(
  run: (hidden: HiddenValues, sequences?: number) => Promise<HiddenValues>,
  states: ShardStates,
  signal: AbortSignal,
  wholeShards = false,
): Promise<ShardStates> {
  const [all = 0, seqlen = 1] = states.shape;
  if (wholeShards) return { data: await run(states.data, all), shape: states.shape };
  const sizes: number[] = [];
  // Of a decoder all are as long as before; those of a graph may differ, and are filled up to the longest.
  let data = new Float32Array(states.data.length);
  let each = data.length / all;
  const runs = mapAhead(sequencesOf(states), SEQUENCES_AHEAD, async (hidden) => {
    const advanced = await run(hidden);
    return { advanced, size: advanced.length };
  });
  for await (const { advanced, size } of runs) {
    signal.throwIfAborted();
    if (sizes.length === 0 ? size !== each : size > each) {
      const wider = new Float32Array(all * size);
      sizes.forEach((known, i) => {
        wider.set(data.subarray(i * each, i * each + known), i * size);
      });
      [data, each] = [wider, size];
    }
    for (let at = 0; at < advanced.length; at += size) {
      data.set(advanced.subarray(at, at + size), sizes.length * each);
      sizes.push(size);
    }
  }
  return { data, shape: [all, seqlen, each / seqlen] };
}

/** What a block is run over at once, in one model. */
interface ModelStates {
  readonly hidden: HiddenValues;
  /** Those that decide which experts its tokens go to, where these are another model's. */
  readonly routedBy?: Float32Array;
}

/** Each run in turn; with `dense` in both models, the rows of whose experts are the same. */
function* runsOfModels(
  states: ShardStates,
  dense: ShardStates | undefined,
  wholeShards: boolean,
): Generator<ModelStates> {
  const others = dense === undefined ? undefined : runsOf(dense, wholeShards);
  for (const { hidden } of runsOf(states, wholeShards)) {
    const beside = others?.next().value?.hidden;
    // What is run is moved to another thread.
    const routedBy = beside === undefined || wholeShards ? undefined : (hidden.slice() as Float32Array);
    yield { hidden };
    if (beside !== undefined) yield { hidden: beside, ...(routedBy !== undefined && { routedBy }) };
  }
}

/** The outputs that were asked for. @throws EsparseError `usage` for a tap that the block has not */
export function selected(outputs: TapOutput[], taps: readonly string[]): TapOutput[] {
  const unknown = taps.find((name) => !outputs.some(({ tap }) => tap === name));
  if (unknown !== undefined) throw new EsparseError('usage', `the block has no tap ${unknown.slice(0, 80)}`);
  return taps.length === 0 ? outputs : outputs.filter(({ tap }) => taps.includes(tap));
}
