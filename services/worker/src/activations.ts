import { EsparseError } from '@esparse/errors';
import type { TapOutput } from '@esparse/model';
import { tileMessages, type ActivationTile } from '@esparse/protocol';
import { oneAhead } from './ahead.ts';

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

/** A copy of the hidden states of each sequence in turn, to be moved to another thread. */
export function* sequencesOf({ data, shape }: ShardStates): Generator<Float32Array> {
  const [sequences, seqlen, hidden] = shape as [number, number, number];
  const size = seqlen * hidden;
  for (let s = 0; s < sequences; s++) yield data.slice(s * size, (s + 1) * size);
}

/**
 * Runs a block over a shard, sequence after sequence, and yields the tiles of its taps in a fixed order: by
 * sequence, then tap, then row. While a sequence's tiles are sent the next is computed; at most two sequences'
 * activations exist at a time.
 */
export async function* streamTiles(
  run: (hidden: Float32Array) => Promise<TapOutput[]>,
  states: ShardStates,
  { block, shard, taps, signal }: StreamOptions,
): AsyncGenerator<ActivationTile> {
  async function* outputs() {
    let sequence = 0;
    for (const hidden of sequencesOf(states)) {
      signal.throwIfAborted();
      yield { sequence: sequence++, outputs: selected(await run(hidden), taps) };
    }
  }
  let number = 0;
  for await (const { sequence, outputs: ofSequence } of oneAhead(outputs())) {
    for (const { tap, rows, channels, data } of ofSequence) {
      for (const message of tileMessages(
        { block, tap, shard, sequence, firstRow: 0, rows, channels, data },
        number,
      )) {
        number++;
        yield message;
      }
    }
  }
}

function selected(outputs: TapOutput[], taps: readonly string[]): TapOutput[] {
  const unknown = taps.find((name) => !outputs.some(({ tap }) => tap === name));
  if (unknown !== undefined) throw new EsparseError('usage', `the block has no tap ${unknown.slice(0, 80)}`);
  return taps.length === 0 ? outputs : outputs.filter(({ tap }) => taps.includes(tap));
}
