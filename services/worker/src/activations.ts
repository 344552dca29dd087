import { EsparseError } from '@esparse/errors';
import type { LoadedBlock } from '@esparse/model';
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

/**
 * Runs a block over a shard, sequence after sequence, and yields the tiles of its taps in a fixed order: by
 * sequence, then tap, then row. At most two sequences' activations exist at a time.
 */
export async function* streamTiles(
  block: LoadedBlock,
  { data, shape }: ShardStates,
  { block: index, shard, taps, signal }: StreamOptions,
): AsyncGenerator<ActivationTile> {
  const [sequences, seqlen, hidden] = shape as [number, number, number];
  const size = seqlen * hidden;

  async function* sequenceTaps() {
    for (let sequence = 0; sequence < sequences; sequence++) {
      signal.throwIfAborted();
      const outputs = await block.taps(data.subarray(sequence * size, (sequence + 1) * size));
      for (const tap of taps) {
        if (!outputs.some((output) => output.tap === tap)) {
          throw new EsparseError('usage', `the block has no tap ${tap.slice(0, 80)}`);
        }
      }
      yield { sequence, outputs: taps.length === 0 ? outputs : outputs.filter(({ tap }) => taps.includes(tap)) };
    }
  }

  let number = 0;
  for await (const { sequence, outputs } of oneAhead(sequenceTaps())) {
    for (const { tap, rows, channels, data: values } of outputs) {
      const tile = { block: index, tap, shard, sequence, firstRow: 0, rows, channels, data: values };
      for (const message of tileMessages(tile, number)) {
        number++;
        yield message;
      }
    }
  }
}
