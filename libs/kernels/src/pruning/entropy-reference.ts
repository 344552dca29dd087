import { exponentOf, magnitudeAt, orderOf, positionOf, slotAt } from './entropy-grid.ts';
import { rebin } from './entropy-rebin.ts';
import { binsOf, ENTROPY_PENDING_ROWS, pendingAt, type EntropyHistograms } from './entropy-state.ts';
import { naturalLog } from '../runtime/natural-log.ts';

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
  for (let c = 0; c < channels; c++) {
    let min = state.ranges[c]!;
    let max = state.ranges[channels + c]!;
    for (let row = 0; row < rows; row++) {
      const x = tile[row * channels + c]!;
      min = Math.min(min, x);
      max = Math.max(max, x);
      if (x === 0) state.zeros[c]!++;
    }
    widenTo(state, c, min, max);
  }
  for (let row = 0; row < rows; row++) append(state, (c) => tile[row * channels + c]!);
  return -1;
}

/** The readable version of `entropyMerge`: the same bits. */
export function entropyMergeReference(into: EntropyHistograms, from: EntropyHistograms): void {
  const channels = into.zeros.length;
  if (from.waiting + from.counted === 0) return;
  for (let c = 0; c < channels; c++) {
    const min = from.ranges[c]!;
    const max = from.ranges[channels + c]!;
    widenTo(into, c, Math.min(min, into.ranges[c]!), Math.max(max, into.ranges[channels + c]!));
    into.zeros[c]! += from.zeros[c]!;
    addAt(binsOf(into, c), exponentAt(into, c), binsOf(from, c), min, max);
  }
  into.counted += from.counted;
  for (let row = 0; row < from.waiting; row++) append(into, (c) => from.pending[pendingAt(c, row)]!);
}

/** The readable version of `entropyCount`: the same bits. */
export function entropyCountReference(state: EntropyHistograms): void {
  for (let c = 0; c < state.zeros.length; c++) {
    const e = exponentAt(state, c);
    const bins = binsOf(state, c);
    for (let row = 0; row < state.waiting; row++) {
      const x = state.pending[pendingAt(c, row)]!;
      const at = 2 * slotAt(orderOf(x, e));
      bins[at]!++;
      bins[at + 1]! += positionOf(x);
    }
  }
  state.counted += state.waiting;
  state.waiting = 0;
}

/** The readable version of `entropyFinish`: the same bits. */
export function entropyFinishReference(
  state: EntropyHistograms,
  bounds: Float32Array,
  tokens: number,
  bins: number,
): Float32Array {
  entropyCountReference(state);
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

/** Adds a row to those that wait, and counts them when there is no more room. Ranges hold it already. */
function append(state: EntropyHistograms, valueOf: (channel: number) => number): void {
  for (let c = 0; c < state.zeros.length; c++) state.pending[pendingAt(c, state.waiting)] = valueOf(c);
  state.waiting++;
  if (state.waiting === ENTROPY_PENDING_ROWS) entropyCountReference(state);
}

/** The exponent of a channel that has seen something. */
function exponentAt({ ranges }: EntropyHistograms, c: number): number {
  return exponentOf(ranges[c]!, ranges[ranges.length / 2 + c]!);
}

/** Records the joint range of channel `c`, and coarsens its histogram where that asks for wider bins. */
function widenTo(state: EntropyHistograms, c: number, min: number, max: number): void {
  const channels = state.zeros.length;
  const oldMin = state.ranges[c]!;
  const oldMax = state.ranges[channels + c]!;
  state.ranges[c] = min;
  state.ranges[channels + c] = max;
  if (state.counted === 0) return;
  const e = exponentOf(min, max);
  if (e === exponentOf(oldMin, oldMax)) return;
  const bins = binsOf(state, c);
  const old = bins.slice();
  bins.fill(0);
  addAt(bins, e, old, oldMin, oldMax);
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
