/** The version of the store's format that this library writes, and the newest that it reads. */
export const FORMAT = 1;

/** Largest JSON document that is read: a block's commit is some 10 KB, a model config below 1 MB. */
export const MAX_JSON_BYTES = 16 * 1024 * 1024;
/** Deepest nesting of stored attributes; keeps the recursive writer off the end of the stack. */
export const MAX_JSON_DEPTH = 64;
/** Most objects in one manifest: a block has about 60, a mixture of 256 experts some 8000. */
export const MAX_MANIFEST_OBJECTS = 100_000;
/** Most blocks of a run; the deepest models published have a few hundred. */
export const MAX_BLOCKS = 100_000;
/** Most dimensions of an array; ours have at most three. */
export const MAX_RANK = 8;
/** Largest array: Node 20 cannot allocate a buffer above 4 GiB. */
export const MAX_ARRAY_BYTES = 2 ** 32 - 8;

/** Large objects are read and summed in pieces of this size; smaller ones cost more calls, larger ones cache. */
export const PIECE_BYTES = 8 * 1024 * 1024;
/**
 * Pieces in flight while an object is read: fresh memory is paged in by the reading threads, so several of them
 * are faster than one (measured on 2 cores, sums left out: 0.8 GB/s with one, 1.7 GB/s with four).
 */
export const PIECES_IN_FLIGHT = 4;
/** Small objects (metadata) read at the same time. */
export const SMALL_READS_IN_FLIGHT = 16;
