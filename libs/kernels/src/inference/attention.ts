import { expNegative, laneTotal } from './lanes.ts';

const f = Math.fround;

/** Tokens of a page of the key-value cache. */
export const PAGE_TOKENS = 16;

/** The heads of an attention: query head h reads key-value head `floor(h / (heads / kvHeads))`. */
export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** What queries are multiplied by. */
  readonly scale: number;
  /** A token sees so many positions, its own the last. @default all before it */
  readonly window?: number | undefined;
}

/** Where the tokens of a batch stand in their sequences, and in which pages. A sequence's tokens come in order. */
export interface BatchLayout {
  /** Each token's position in its sequence. */
  readonly positions: Int32Array;
  /** For each token, where in `pageTable` the pages of its sequence begin. */
  readonly pageTableOffsets: Int32Array;
  /** Pages of the cache, sequence after sequence: entry i of a sequence holds its positions 16 i to 16 i + 15. */
  readonly pageTable: Int32Array;
}

/** Elements of one page: keys (kvHeads, headDim, 16), then values (kvHeads, 16, headDim). */
export function pageFloats({ kvHeads, headDim }: Pick<AttentionShape, 'kvHeads' | 'headDim'>): number {
  return 2 * kvHeads * headDim * PAGE_TOKENS;
}

/**
 * The readable version of `InferenceKernels.attention`: the same bits.
 *
 * @param sinks (heads) numbers that take part in the softmax of each head beside its scores, and have no value.
 *   @default none
 */
export function attentionReference(
  query: Float32Array,
  key: Float32Array,
  value: Float32Array,
  cache: Float32Array,
  shape: AttentionShape,
  { positions, pageTableOffsets, pageTable }: BatchLayout,
  tokens: number,
  out: Float32Array,
  sinks?: Float32Array,
): void {
  const { heads, kvHeads, headDim, scale, window = Infinity } = shape;
  /** Where position i of token t's sequence has channel d of a key-value head: [key, value]. */
  const place = (t: number, i: number, head: number, d: number) => {
    const page = pageTable[pageTableOffsets[t]! + Math.floor(i / PAGE_TOKENS)]! * pageFloats(shape);
    const slot = i % PAGE_TOKENS;
    return [
      page + (head * headDim + d) * PAGE_TOKENS + slot,
      page + ((kvHeads + head) * PAGE_TOKENS + slot) * headDim + d,
    ] as const;
  };
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < kvHeads * headDim; j++) {
      const [k, v] = place(t, positions[t]!, Math.floor(j / headDim), j % headDim);
      cache[k] = key[t * kvHeads * headDim + j]!;
      cache[v] = value[t * kvHeads * headDim + j]!;
    }
  }
  for (let t = 0; t < tokens; t++) {
    const seen = positions[t]! + 1;
    const first = Math.max(seen - window, 0);
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor(h / (heads / kvHeads));
      const at = (t * heads + h) * headDim;
      // One sum a score, over the channels in order.
      const scores = new Float32Array(seen);
      for (let d = 0; d < headDim; d++) {
        const q = f(query[at + d]! * f(scale));
        for (let i = first; i < seen; i++) scores[i] = scores[i]! + f(q * cache[place(t, i, kvHead, d)[0]]!);
      }
      const most = scores.subarray(first).reduce((a, b) => (a > b ? a : b));
      const sink = sinks?.[h];
      const largest = sink !== undefined && sink > most ? sink : most;
      // Position i goes into sum i mod 16.
      const sums = new Float32Array(16);
      for (let i = first; i < seen; i++) {
        scores[i] = expNegative(f(scores[i]! - largest));
        sums[i % 16] = sums[i % 16]! + scores[i]!;
      }
      const seenTotal = laneTotal(sums);
      const total = sink === undefined ? seenTotal : f(seenTotal + expNegative(f(sink - largest)));
      for (let d = 0; d < headDim; d++) {
        let mixed = 0;
        for (let i = first; i < seen; i++)
          mixed = f(mixed + f(scores[i]! * cache[place(t, i, kvHead, d)[1]]!));
        out[at + d] = mixed / total;
      }
    }
  }
}
