/**
 * Limits on what a config.json may claim. Each is some ten times beyond the largest published model, and small
 * enough that products of two of them stay exact in a double and that graphs and tables built from them stay small.
 */

/** Decoder blocks. Largest seen: 126 (LLaMA 3.1 405B). */
export const MAX_BLOCKS = 2048;
/** Width of the residual stream. Largest seen: 18432. */
export const MAX_HIDDEN = 1 << 17;
/** Width of the feed-forward part. Largest seen: 73728. */
export const MAX_INTERMEDIATE = 1 << 19;
/** Experts of a block. Largest seen: 512 (Qwen3-Next). */
export const MAX_EXPERTS = 2048;
/** Experts of all blocks together, each of which is three linears. Largest seen: 24,576. */
export const MAX_ALL_EXPERTS = 1 << 17;
/** Query heads. Largest seen: 128. */
export const MAX_HEADS = 2048;
/** Channels of one head. Largest seen: 256. */
export const MAX_HEAD_DIM = 4096;
/** Tokens in the vocabulary. Largest seen: 262144. */
export const MAX_VOCAB = 1 << 22;
/** Positions. Largest seen: 10 million. */
export const MAX_POSITIONS = 1 << 27;
/** Rows of one run: bounds the rotary tables (16 MiB at 128 channels a head) and the graph's unrolled attention. */
export const MAX_SEQLEN = 1 << 15;
/** Elements of one tensor: what one Float32Array can hold on every platform (8 GiB). */
export const MAX_TENSOR_ELEMENTS = 2 ** 31 - 1;
