import { addon } from './addon.ts';
import { exponentOf, magnitudeAt, orderOf, positionOf, slotAt, SLOTS } from './entropy-grid.ts';
import { rebin } from './entropy-rebin.ts';
import { naturalLog } from './natural-log.ts';

/** Numbers per channel in `EntropyHistograms.bins`: a count and a sum of positions for each bin of the grid. */
export const ENTROPY_WORDS = 2 * SLOTS;
/** Most rows in one tile: keeps the kernel's row counters and scratch small, and is far above any real tile. */
export const ENTROPY_MAX_ROWS = 2 ** 20;
/** Most values per channel: what a 32-bit counter can hold. */
export const ENTROPY_MAX_TOKENS = 2 ** 32 - 1;
/** Most coarse bins: the scratch of one channel, and far above any use. */
export const ENTROPY_MAX_BINS = 65536;

/**
 * A histogram per channel on a grid that follows the data (see `entropy-grid.ts`). The exponent of a channel is
 * not stored: it is a function of the range.
 */
export interface EntropyHistograms {
  /** f32 (2, channels): the minima, then the maxima. Infinity and -Infinity while there is no data. */
  readonly ranges: Float32Array;
  /** u32 (channels): values that are exactly zero; they are in `bins` too. */
  readonly zeros: Uint32Array;
  /** u32 (channels, ENTROPY_WORDS): for each bin its count, then the sum of its positions modulo 2^32. */
  readonly bins: Uint32Array;
}

/** The bin that exact zeros are counted in. */
export const ENTROPY_ZERO_SLOT = slotAt(0);

/** The bins that data with this range may lie in, ascending: their numbers among a channel's bins. */
export function entropySlots(min: number, max: number): number[] {
  const e = exponentOf(min, max);
  const slots: number[] = [];
  const last = orderOf(max, e);
  for (let order = orderOf(min, e); order <= last; order++) slots.push(slotAt(order));
  return slots;
}

/**
 * Counts a tile. The result depends on the data only: the same bits in any order, split or merge.
 *
 * @param tile f32 (rows, channels), row-major; at most `ENTROPY_MAX_ROWS` rows. The caller keeps the total below
 *   `ENTROPY_MAX_TOKENS` rows.
 * @returns -1, or the first channel that holds NaN or infinity: `state` is then unchanged. Calls on the same
 *   state must not overlap.
 */
export async function entropyUpdate(
  state: EntropyHistograms,
  tile: Float32Array,
  rows: number,
  channels: number,
): Promise<number> {
  if (rows === 0 || channels === 0) return -1;
  if (rows > ENTROPY_MAX_ROWS) throw new RangeError(`${rows} rows in one tile: cut it up`);
  const native = addon();
  if (native === null) return entropyUpdateReference(state, tile, rows, channels);
  return native.entropyUpdate(state.ranges, state.zeros, state.bins, tile, rows, channels);
}

/** The readable version of `entropyUpdate`: the same bits. */
export function entropyUpdateReference(
  state: EntropyHistograms,
  tile: Float32Array,
  rows: number,
  channels: number,
): number {
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < rows; row++) if (!Number.isFinite(tile[row * channels + c])) return c;
  }
  const { ranges, zeros, bins } = state;
  for (let c = 0; c < channels; c++) {
    let min = ranges[c]!;
    let max = ranges[channels + c]!;
    for (let row = 0; row < rows; row++) {
      const x = tile[row * channels + c]!;
      min = Math.min(min, x);
      max = Math.max(max, x);
      if (x === 0) zeros[c]!++;
    }
    widenTo(state, c, min, max);
    const e = exponentOf(min, max);
    for (let row = 0; row < rows; row++) {
      const x = tile[row * channels + c]!;
      const at = c * ENTROPY_WORDS + 2 * slotAt(orderOf(x, e));
      bins[at]!++;
      bins[at + 1]! += positionOf(x);
    }
  }
  return -1;
}

/**
 * Adds the histograms `from` to `into`: the same bits as if one histogram had counted all the data. The caller
 * keeps the total below `ENTROPY_MAX_TOKENS` rows.
 */
export async function entropyMerge(into: EntropyHistograms, from: EntropyHistograms): Promise<void> {
  const native = addon();
  if (native === null || into.zeros.length === 0) {
    entropyMergeReference(into, from);
    return;
  }
  await native.entropyMerge(into.ranges, into.zeros, into.bins, from.ranges, from.zeros, from.bins);
}

/** The readable version of `entropyMerge`: the same bits. */
export function entropyMergeReference(into: EntropyHistograms, from: EntropyHistograms): void {
  const channels = into.zeros.length;
  for (let c = 0; c < channels; c++) {
    const min = from.ranges[c]!;
    const max = from.ranges[channels + c]!;
    if (min > max) continue;
    widenTo(into, c, Math.min(min, into.ranges[c]!), Math.max(max, into.ranges[channels + c]!));
    const e = exponentOf(into.ranges[c]!, into.ranges[channels + c]!);
    into.zeros[c]! += from.zeros[c]!;
    addAt(binsOf(into, c), e, binsOf(from, c), min, max);
  }
}

/**
 * The entropy of each channel, -Σ p ln p (nats), over `bins` equal bins between given bounds, a value at the
 * upper bound lying in the last bin (numpy's convention). How bins of the grid that straddle an edge are shared
 * out is in `entropy-rebin.ts`. A channel whose bounds are equal has entropy 0.
 *
 * @param bounds f32 (2, channels): the lower bounds, then the upper, around each channel's range.
 * @param tokens values per channel, above 0.
 * @returns f32 (channels)
 */
export async function entropyFinish(
  state: EntropyHistograms,
  bounds: Float32Array,
  tokens: number,
  bins: number,
): Promise<Float32Array> {
  if (!(Number.isInteger(bins) && bins >= 1 && bins <= ENTROPY_MAX_BINS)) {
    throw new RangeError(`${bins} bins: a whole number from 1 to ${ENTROPY_MAX_BINS} was expected`);
  }
  const native = addon();
  const out = new Float32Array(state.zeros.length);
  if (native === null || out.length === 0) return entropyFinishReference(state, bounds, tokens, bins);
  await native.entropyFinish(state.ranges, state.zeros, state.bins, bounds, tokens, bins, out);
  return out;
}

/** The readable version of `entropyFinish`: the same bits. */
export function entropyFinishReference(
  state: EntropyHistograms,
  bounds: Float32Array,
  tokens: number,
  bins: number,
): Float32Array {
  const channels = state.zeros.length;
  const out = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const low = bounds[c]!;
    const high = bounds[channels + c]!;
    if (!(low < high)) continue;
    const mass = rebin(
      {
        bins: binsOf(state, c),
        zeros: state.zeros[c]!,
        min: state.ranges[c]!,
        max: state.ranges[channels + c]!,
      },
      low,
      high,
      bins,
    );
    let entropy = 0;
    for (let k = 0; k < bins; k++) {
      const p = mass[k]! / tokens;
      if (p > 0) entropy -= p * naturalLog(p);
    }
    out[c] = entropy;
  }
  return out;
}

/** Records the joint range of channel `c`, and coarsens its histogram where that asks for wider bins. */
function widenTo(state: EntropyHistograms, c: number, min: number, max: number): void {
  const channels = state.zeros.length;
  const oldMin = state.ranges[c]!;
  const oldMax = state.ranges[channels + c]!;
  state.ranges[c] = min;
  state.ranges[channels + c] = max;
  if (oldMin > oldMax) return;
  const e = exponentOf(min, max);
  if (e === exponentOf(oldMin, oldMax)) return;
  const bins = binsOf(state, c);
  const old = bins.slice();
  bins.fill(0);
  addAt(bins, e, old, oldMin, oldMax);
}

function binsOf(state: EntropyHistograms, c: number): Uint32Array {
  return state.bins.subarray(c * ENTROPY_WORDS, (c + 1) * ENTROPY_WORDS);
}

/** Adds a histogram with the range min..max to `bins`, whose exponent `e` is no smaller: whole bins, so exactly. */
function addAt(bins: Uint32Array, e: number, from: Uint32Array, min: number, max: number): void {
  const fromExponent = exponentOf(min, max);
  const width = 2 ** fromExponent;
  const last = orderOf(max, fromExponent);
  for (let order = orderOf(min, fromExponent); order <= last; order++) {
    const at = 2 * slotAt(order);
    if (from[at] === 0) continue;
    // The edge nearer to zero belongs to the bin, so the wider bin that holds it holds the whole bin.
    const target = orderOf(magnitudeAt(order < 0 ? ~order : order) * width, e);
    const to = 2 * slotAt(order < 0 ? ~target : target);
    bins[to]! += from[at]!;
    bins[to + 1]! += from[at + 1]!;
  }
}
