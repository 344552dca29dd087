import { MAX_SHARD_BYTES, MAX_SHARD_TOKENS } from '@esparse/protocol';

/** A slice of the calibration sequences: the unit of work, with a block. */
export interface Shard {
  readonly index: number;
  readonly sequences: number;
  /** sequences x seqlen token ids. */
  readonly tokens: Uint32Array;
}

/** Splits the calibration windows (samples x seqlen) into shards of whole sequences, as large as a worker takes them. */
export function shardsOf(windows: Uint32Array, seqlen: number, hidden: number): Shard[] {
  const samples = windows.length / seqlen;
  const each = Math.max(1, Math.floor(Math.min(MAX_SHARD_BYTES / (hidden * 4), MAX_SHARD_TOKENS) / seqlen));
  const count = Math.ceil(samples / each);
  return Array.from({ length: count }, (_, index) => {
    const tokens = windows.subarray(index * each * seqlen, (index + 1) * each * seqlen);
    return { index, sequences: tokens.length / seqlen, tokens };
  });
}
