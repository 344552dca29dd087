import { addon } from '../addon.ts';
import {
  entropyCountReference,
  entropyFinishReference,
  entropyMergeReference,
  entropyUpdateReference,
} from './entropy-reference.ts';
import {
  ENTROPY_MAX_BINS,
  ENTROPY_MAX_ROWS,
  ENTROPY_PENDING_ROWS,
  type EntropyHistograms,
} from './entropy-state.ts';

/**
 * Takes in a tile: its ranges and zeros at once, its rows when `ENTROPY_PENDING_ROWS` of them wait. Once all are
 * counted (`entropyCount`), the state depends on the data only: the same bits in any order, split or merge.
 *
 * @param tile f32 (rows, channels), row-major; at most `ENTROPY_MAX_ROWS` rows. The caller keeps the total below
 *   `ENTROPY_MAX_TOKENS` rows.
 * @returns -1, or the first channel that holds NaN or infinity: nothing of the tile then counts. Calls on the same
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
  const refused = await native.entropyUpdate({ ...state, tile, rows });
  if (refused < 0) arrived(state, rows);
  return refused;
}

/**
 * Adds what `from` has seen to `into`: the same bits as if one state had seen all the data. Rows that wait in `from`
 * go on waiting in `into`. The caller keeps the total below `ENTROPY_MAX_TOKENS` rows.
 */
export async function entropyMerge(into: EntropyHistograms, from: EntropyHistograms): Promise<void> {
  const native = addon();
  if (native === null || into.zeros.length === 0) {
    entropyMergeReference(into, from);
    return;
  }
  await native.entropyMerge({
    ...into,
    fromRanges: from.ranges,
    fromZeros: from.zeros,
    fromBins: from.bins,
    fromPending: from.pending,
    fromWaiting: from.waiting,
    fromCounted: from.counted,
  });
  into.counted += from.counted;
  arrived(into, from.waiting);
}

/** Counts the rows that wait, at once and on this thread, so that `bins` hold all data. */
export function entropyCount(state: EntropyHistograms): void {
  const native = addon();
  if (native === null || state.zeros.length === 0) {
    entropyCountReference(state);
    return;
  }
  native.entropyCount(state);
  nothingWaits(state);
}

/**
 * The entropy of each channel, -Σ p ln p (nats), over `bins` equal bins between given bounds, a value at the
 * upper bound lying in the last bin (numpy's convention). How bins of the grid that straddle an edge are shared
 * out is in `entropy-rebin.ts`. A channel whose bounds are equal has entropy 0. Counts the rows that wait.
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
  await native.entropyFinish({ ...state, bounds, tokens, intervals: bins, out });
  nothingWaits(state);
  return out;
}

/** Notes rows that the kernel has put behind those that wait, counting whenever they filled the room. */
function arrived(state: EntropyHistograms, rows: number): void {
  const waiting = (state.waiting + rows) % ENTROPY_PENDING_ROWS;
  state.counted += state.waiting + rows - waiting;
  state.waiting = waiting;
}

function nothingWaits(state: EntropyHistograms): void {
  state.counted += state.waiting;
  state.waiting = 0;
}

/**
 * Histograms as bytes, in the columns that `@esparse/statistics` states; undefined without the addon: it has the readable
 * version. All rows must be counted. At once, on all threads.
 */
export function entropyEncode(state: EntropyHistograms): Uint8Array | undefined {
  return addon()?.entropyEncode(state);
}

/**
 * Fills histograms that have seen nothing, but for `counted`, with those of so many tokens as bytes.
 *
 * @returns false where it cannot: without the addon, or of bytes that no data could have led to. The readable version says what
 * is wrong with them.
 */
export function entropyDecode(state: EntropyHistograms, bytes: Uint8Array): boolean {
  return addon()?.entropyDecode({ ...state, bytes }) ?? false;
}
