import { EsparseError } from '@esparse/errors';
import type { TapOptions, TapOutput } from '@esparse/onnx';
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
  readonly signal: AbortSignal;
}

/** Hidden states of a shard: [sequences, seqlen, hidden]. */
export interface ShardStates {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/**
 * Runs of a block ahead of what is sent: two sequences, or, with `dense`, one in both models. No more than these and the
 * sequence whose tiles are sent exist at a time.
 */
const SEQUENCES_AHEAD = 2;

/** A copy of the hidden states of each sequence in turn, to be moved to another thread. */
export function* sequencesOf({ data, shape }: ShardStates): Generator<Float32Array, undefined> {
  const [sequences, seqlen, hidden] = shape as [number, number, number];
  const size = seqlen * hidden;
  for (let s = 0; s < sequences; s++) yield data.slice(s * size, (s + 1) * size);
  return undefined;
}

/**
 * Runs a block over a shard, sequence after sequence, and yields the tiles of its taps in a fixed order: by
 * sequence, then tap, then row, then model. While a sequence's tiles are sent the next ones are computed.
 */
export async function* streamTiles(
  run: (hidden: Float32Array, options: TapOptions) => Promise<TapOutput[]>,
  states: ShardStates,
  { block, shard, taps, allTokens, dense, signal }: StreamOptions,
): AsyncGenerator<ActivationTile> {
  const runUnlessAborted = async ({ hidden, routedBy }: SequenceStates) => {
    signal.throwIfAborted();
    return selected(await run(hidden, { taps, allTokens, routedBy }), taps);
  };
  const seqlen = states.shape[1]!;
  let number = 0;
  let sequence = 0;
  let outputs: TapOutput[][] = [];
  for await (const output of mapAhead(sequencesOfModels(states, dense), SEQUENCES_AHEAD, runUnlessAborted)) {
    outputs.push(output);
    if (outputs.length < (dense === undefined ? 1 : 2)) continue;
    const [own, others] = outputs;
    for (const [i, tap] of own!.entries()) {
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
    outputs = [];
    sequence++;
  }
}

/** Runs a block over a shard: its states before the next block. */
export async function advanceStates(
  run: (hidden: Float32Array) => Promise<Float32Array>,
  states: ShardStates,
  signal: AbortSignal,
): Promise<ShardStates> {
  const data = new Float32Array(states.data.length);
  let filled = 0;
  for await (const advanced of mapAhead(sequencesOf(states), SEQUENCES_AHEAD, run)) {
    signal.throwIfAborted();
    data.set(advanced, filled);
    filled += advanced.length;
  }
  return { data, shape: states.shape };
}

/** The states of one sequence in one model. */
interface SequenceStates {
  readonly hidden: Float32Array;
  /** Those that decide which experts its tokens go to, where these are another model's. */
  readonly routedBy?: Float32Array;
}

/** Each sequence in turn; with `dense` in both models, the rows of whose experts are the same. */
function* sequencesOfModels(states: ShardStates, dense: ShardStates | undefined): Generator<SequenceStates> {
  const others = dense === undefined ? undefined : sequencesOf(dense);
  for (const hidden of sequencesOf(states)) {
    const beside = others?.next().value;
    // What is run is moved to another thread.
    const routedBy = beside === undefined ? undefined : hidden.slice();
    yield { hidden };
    if (beside !== undefined && routedBy !== undefined) yield { hidden: beside, routedBy };
  }
}

/** The outputs that were asked for. @throws EsparseError `usage` for a tap that the block has not */
export function selected(outputs: TapOutput[], taps: readonly string[]): TapOutput[] {
  const unknown = taps.find((name) => !outputs.some(({ tap }) => tap === name));
  if (unknown !== undefined) throw new EsparseError('usage', `the block has no tap ${unknown.slice(0, 80)}`);
  return taps.length === 0 ? outputs : outputs.filter(({ tap }) => taps.includes(tap));
}
