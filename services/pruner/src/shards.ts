/** Hidden states of one shard at most, so that a worker never holds more at a block's boundary. */
export const MAX_SHARD_BYTES = 16 * 1024 * 1024;

/** A slice of the calibration sequences: the unit of work, with a block. */
export interface Shard {
  readonly index: number;
  readonly sequences: number;
  /** sequences x seqlen token ids. */
  readonly tokens: Uint32Array;
}

/** Splits the calibration windows (samples x seqlen) into shards of whole sequences, at most `MAX_SHARD_BYTES` each. */
export function shardsOf(windows: Uint32Array, seqlen: number, hidden: number): Shard[] {
  const samples = windows.length / seqlen;
  const each = Math.max(1, Math.floor(MAX_SHARD_BYTES / (seqlen * hidden * 4)));
  const count = Math.ceil(samples / each);
  return Array.from({ length: count }, (_, index) => {
    const tokens = windows.subarray(index * each * seqlen, (index + 1) * each * seqlen);
    return { index, sequences: tokens.length / seqlen, tokens };
  });
}
