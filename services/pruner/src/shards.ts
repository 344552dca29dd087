import type { Samples } from '@esparse/checkpoint';
import { packState } from '@esparse/onnx';
import { MAX_DEVICE_SHARD_BYTES, MAX_SHARD_BYTES, MAX_SHARD_TOKENS } from '@esparse/protocol';
import type { HiddenShard } from '@esparse/store';

/** A slice of the calibration sequences: the unit of work, with a block. */
export interface Shard {
  readonly index: number;
  readonly sequences: number;
  /** sequences x seqlen token ids; none of a graph, which has samples instead. */
  readonly tokens: Uint32Array;
  /** Of a graph: the values that go into it, as the states before the first step. @default the embedded tokens */
  readonly states?: () => HiddenShard;
}

/** Shards that a run on GPUs has if it has as many sequences: workers share them, and files go beside what is computed. */
const DEVICE_SHARDS = 32;

/**
 * Splits the calibration windows (samples x seqlen) into shards of whole sequences, as large as a worker takes them.
 *
 * @param onDevices - whether workers run them whole
 */
export function shardsOf(
  windows: Uint32Array,
  seqlen: number,
  hidden: number,
  onDevices = false,
): readonly Shard[] {
  const samples = windows.length / seqlen;
  const fitting = (bytes: number) =>
    Math.max(1, Math.floor(Math.min(bytes / (hidden * 4), MAX_SHARD_TOKENS) / seqlen));
  const usual = fitting(MAX_SHARD_BYTES);
  const each = onDevices
    ? Math.max(usual, Math.min(fitting(MAX_DEVICE_SHARD_BYTES), Math.ceil(samples / DEVICE_SHARDS)))
    : usual;
  const count = Math.ceil(samples / each);
  return Array.from({ length: count }, (_, index) => {
    const tokens = windows.subarray(index * each * seqlen, (index + 1) * each * seqlen);
    return { index, sequences: tokens.length / seqlen, tokens };
  });
}

/**
 * Bytes of a graph's inputs in one shard, where a sample has no more: what becomes of them inside the graph may be many times
 * as large.
 */
const MAX_INPUT_BYTES = 1 << 20;

/**
 * Splits samples of a graph into shards.
 * @param names of the values that its first step begins with, in their order
 */
export function sampleShards(samples: Samples, count: number, names: readonly string[]): Shard[] {
  const stateOf = (index: number) => {
    const values = samples.sample(index);
    return packState(names.map((name) => values.get(name)!));
  };
  const largest = Array.from({ length: count }, (_, i) => stateOf(i).byteLength);
  const each = Math.max(1, Math.floor(MAX_INPUT_BYTES / Math.max(...largest)));
  return Array.from({ length: Math.ceil(count / each) }, (_, index): Shard => {
    const first = index * each;
    const sequences = Math.min(each, count - first);
    const states = (): HiddenShard => {
      const width = Math.max(...largest.slice(first, first + sequences)) / 4;
      const data = new Float32Array(sequences * width);
      for (let i = 0; i < sequences; i++) data.set(stateOf(first + i), i * width);
      return { data, shape: [sequences, 1, width] };
    };
    return { index, sequences, tokens: new Uint32Array(0), states };
  });
}
