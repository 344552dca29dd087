import {
  exponentOf,
  LINEAR,
  magnitudeAt,
  NEAR_ZERO,
  orderOf,
  positionOf,
  slotAt,
  SLOTS,
} from './entropy-grid.ts';
import { inHugePages } from '../runtime/huge-pages.ts';

/** Numbers per channel in `EntropyHistograms.bins`: a count and a sum of positions for each bin of the grid. */
export const ENTROPY_WORDS = 2 * SLOTS;
/**
 * Rows that wait before they are counted. A visit to a channel's histogram costs 20 KB read and written, whatever the
 * rows: this many pay for it, at less than half of the histogram's own bytes. Twice as many gained 2 to 8 % more.
 */
export const ENTROPY_PENDING_ROWS = 2048;
/** Channels that lie side by side while they wait: a cache line, and a vector. */
const LANES = 16;
/** Most rows in one tile: keeps the kernel's row counters and scratch small, and is far above any real tile. */
export const ENTROPY_MAX_ROWS = 2 ** 20;
/** Most values per channel: what a 32-bit counter can hold. */
export const ENTROPY_MAX_TOKENS = 2 ** 32 - 1;
/** Most coarse bins: the scratch of one channel, and far above any use. */
export const ENTROPY_MAX_BINS = 65536;

/**
 * A histogram per channel on a grid that follows the data (see `entropy-grid.ts`), and the latest rows, which wait to
 * be counted. The exponent of a channel is not stored: it is a function of the range. Waiting rows are kept as they
 * came, so that a range that grows leaves them as they are.
 *
 * 27.9 KB a channel: 19.7 of bins, 8.2 of waiting rows. Until something was counted, bins are untouched memory.
 */
export interface EntropyHistograms {
  /** f32 (2, channels): the minima, then the maxima, waiting rows included. Infinity and -Infinity without data. */
  readonly ranges: Float32Array;
  /** u32 (channels): values that are exactly zero, waiting rows included; they are in `bins` too. */
  readonly zeros: Uint32Array;
  /** u32 (channels, ENTROPY_WORDS): for each bin its count, then the sum of its positions modulo 2^32. */
  readonly bins: Uint32Array;
  /** f32 (channels / LANES, ENTROPY_PENDING_ROWS, LANES): the first `waiting` rows are not in `bins` yet. */
  readonly pending: Float32Array;
  /** Rows that wait, below ENTROPY_PENDING_ROWS. */
  waiting: number;
  /** Rows in `bins`. */
  counted: number;
}

/** Histograms that have seen nothing. */
export function entropyHistograms(channels: number): EntropyHistograms {
  return {
    ranges: new Float32Array(2 * channels).fill(Infinity, 0, channels).fill(-Infinity, channels),
    zeros: new Uint32Array(channels),
    bins: inHugePages(new Uint32Array(ENTROPY_WORDS * channels)),
    pending: inHugePages(new Float32Array(Math.ceil(channels / LANES) * LANES * ENTROPY_PENDING_ROWS)),
    waiting: 0,
    counted: 0,
  };
}

/** Where the value of channel `c` lies in `pending`, at a row that waits. */
export function pendingAt(c: number, row: number): number {
  return (c - (c % LANES)) * ENTROPY_PENDING_ROWS + row * LANES + (c % LANES);
}

/** The bins of channel `c`. */
export function binsOf(state: EntropyHistograms, c: number): Uint32Array {
  return state.bins.subarray(c * ENTROPY_WORDS, (c + 1) * ENTROPY_WORDS);
}

/** The bin that exact zeros are counted in. */
export const ENTROPY_ZERO_SLOT = slotAt(0);

/** Bins of a channel, ascending. */
export interface EntropyBins {
  readonly count: number;
  /** Their numbers among the channel's bins. */
  readonly slots: Int32Array;
  /** The position of each bin's edge nearer to zero: that of its values is no less, save in the innermost bins. */
  readonly positions: Uint16Array;
}

const slots = new Int32Array(SLOTS);
const positions = new Uint16Array(SLOTS);

/** The bins that data with this range may lie in; valid until the next call. */
export function entropyBins(min: number, max: number): EntropyBins {
  const e = exponentOf(min, max);
  const first = orderOf(min, e);
  const count = orderOf(max, e) - first + 1;
  const edgeAt = edgePositions();
  for (let i = 0; i < count; i++) {
    const order = first + i;
    slots[i] = slotAt(order);
    positions[i] = edgeAt[order < 0 ? ~order : order]!;
  }
  return { count, slots, positions };
}

let edges: Uint16Array | undefined;

/** By places away from zero. A power of two does not change an f32's fraction, so they hold at every exponent. */
function edgePositions(): Uint16Array {
  edges ??= Uint16Array.from({ length: NEAR_ZERO + LINEAR }, (_, n) => positionOf(magnitudeAt(n)));
  return edges;
}
