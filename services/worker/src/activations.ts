import { EsparseError } from '@esparse/errors';
import type { TapOutput } from '@esparse/model';
import { tileMessages, type ActivationTile } from '@esparse/protocol';
import { mapAhead } from './ahead.ts';

export interface StreamOptions {
  readonly block: number;
  readonly shard: number;
  /** Taps to stream; empty for all. */
  readonly taps: readonly string[];
  readonly signal: AbortSignal;
}

/** Hidden states of a shard: [sequences, seqlen, hidden]. */
export interface ShardStates {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Sequences computed while another's tiles are sent: no more than these and that one exist at a time. */
export const SEQUENCES_AHEAD = 2;

/** A copy of the hidden states of each sequence in turn, to be moved to another thread. */
export function* sequencesOf({ data, shape }: ShardStates): Generator<Float32Array> {
  const [sequences, seqlen, hidden] = shape as [number, number, number];
  const size = seqlen * hidden;
  for (let s = 0; s < sequences; s++) yield data.slice(s * size, (s + 1) * size);
}

/**
 * Runs a block over a shard, sequence after sequence, and yields the tiles of its taps in a fixed order: by
 * sequence, then tap, then row. While a sequence's tiles are sent the next ones are computed.
 */
export async function* streamTiles(
  run: (hidden: Float32Array) => Promise<TapOutput[]>,
  states: ShardStates,
  { block, shard, taps, signal }: StreamOptions,
): AsyncGenerator<ActivationTile> {
  const runUnlessGone = async (hidden: Float32Array) => {
    signal.throwIfAborted();
    return run(hidden);
  };
  let number = 0;
  let sequence = 0;
  for await (const outputs of mapAhead(sequencesOf(states), SEQUENCES_AHEAD, runUnlessGone)) {
    for (const { tap, rows, channels, data } of selected(outputs, taps)) {
      for (const message of tileMessages(
        { block, tap, shard, sequence, firstRow: 0, rows, channels, data },
        number,
      )) {
        number++;
        yield message;
      }
    }
    sequence++;
  }
}

/** The outputs that were asked for. @throws EsparseError `usage` for a tap that the block has not */
export function selected(outputs: TapOutput[], taps: readonly string[]): TapOutput[] {
  const unknown = taps.find((name) => !outputs.some(({ tap }) => tap === name));
  if (unknown !== undefined) throw new EsparseError('usage', `the block has no tap ${unknown.slice(0, 80)}`);
  return taps.length === 0 ? outputs : outputs.filter(({ tap }) => taps.includes(tap));
}
