import {
  ENTROPY_WORDS,
  ENTROPY_ZERO_SLOT,
  entropyBins,
  entropyDecode,
  entropyEncode,
  type EntropyHistograms,
} from '@esparse/kernels';
import { ByteReader, ByteWriter } from './bytes.ts';
import { damaged } from './frame.ts';

const WHAT = 'a state of the statistic entropy';
/** Least bytes of a channel that has seen something: its range, its zeros, one bin. */
const LEAST_CHANNEL = 4 + 4 + 1 + 4;

/** By column: a column of small numbers compresses to its entropy, the same numbers interleaved do not. */
interface Columns<T> {
  /** For each channel: minimum and maximum (f32), the count of zeros. */
  readonly heads: T;
  /** For each bin that holds something: the number of empty bins before it. */
  readonly gaps: T;
  /** Its count. */
  readonly counts: T;
  /** Its sum of positions above `count` times the position of its edge: the lowest byte. */
  readonly low: T;
  /** The rest of it. */
  readonly high: T;
}

/** The order of the columns in the bytes. */
const NAMES = ['heads', 'gaps', 'counts', 'low', 'high'] as const satisfies (keyof Columns<unknown>)[];

/**
 * Histograms as bytes, in columns (see `Columns`), each behind its length. Bins come in ascending order, and a channel
 * ends when its counts reach `tokens`; all numbers but the ranges and the low bytes are varints. No columns at all for
 * no tokens.
 *
 * All rows must be counted. Equal histograms have equal bytes. A count and the rest of a sum grow with the logarithm
 * of the tokens: on a model's activations 4 to 6 KB a channel, and half of it once deflated.
 */
export function encodeHistograms(histograms: EntropyHistograms, tokens: number): Uint8Array {
  if (tokens === 0) return new Uint8Array();
  return entropyEncode(histograms) ?? encodeHistogramsReference(histograms);
}

/** The readable version of `entropyEncode`. */
export function encodeHistogramsReference(histograms: EntropyHistograms): Uint8Array {
  const channels = histograms.zeros.length;
  const columns: Columns<Column> = {
    heads: new Column(),
    gaps: new Column(),
    counts: new Column(),
    low: new Column(),
    high: new Column(),
  };
  for (let c = 0; c < channels; c++) encodeChannel(columns, histograms, c);
  const out = new ByteWriter();
  for (const name of NAMES) out.block(columns[name].take());
  return out.take();
}

/** Bytes of a varint at most. */
const VARINT = 5;

/** Bytes that grow, written in place: a tap has tens of millions of bins, and a call for each number took most of the time. */
class Column {
  bytes = new Uint8Array(2 ** 16);
  length = 0;

  /** Room for so many more. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + count));
    grown.set(this.bytes);
    this.bytes = grown;
  }

  take(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** Writes a varint as `ByteWriter` does, and gives where it ends. */
function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest > 127) {
    bytes[to++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[to++] = rest;
  return to;
}

function encodeChannel(
  columns: Columns<Column>,
  { ranges, zeros, bins }: EntropyHistograms,
  c: number,
): void {
  const min = ranges[c]!;
  const max = ranges[zeros.length + c]!;
  const { count: most, slots, positions } = entropyBins(min, max);
  const { heads, gaps, counts, low, high } = columns;
  heads.reserve(8 + VARINT);
  const range = new DataView(heads.bytes.buffer, heads.length);
  range.setFloat32(0, min, true);
  range.setFloat32(4, max, true);
  heads.length = putVarint(heads.bytes, heads.length + 8, zeros[c]!);
  for (const column of [gaps, counts, high]) column.reserve(VARINT * most);
  low.reserve(most);
  const [gapBytes, countBytes, lowBytes, highBytes] = [gaps.bytes, counts.bytes, low.bytes, high.bytes];
  let [toGap, toCount, toLow, toHigh] = [gaps.length, counts.length, low.length, high.length];
  const first = c * ENTROPY_WORDS;
  let empty = 0;
  for (let i = 0; i < most; i++) {
    const at = first + 2 * slots[i]!;
    const count = bins[at]!;
    if (count === 0) {
      empty++;
      continue;
    }
    // Modulo 2^32, as the sum itself: any sum has one form.
    const above = (bins[at + 1]! - Math.imul(count, positions[i]!)) >>> 0;
    toGap = putVarint(gapBytes, toGap, empty);
    toCount = putVarint(countBytes, toCount, count);
    lowBytes[toLow++] = above & 255;
    toHigh = putVarint(highBytes, toHigh, above >>> 8);
    empty = 0;
  }
  [gaps.length, counts.length, low.length, high.length] = [toGap, toCount, toLow, toHigh];
}

/**
 * The histograms that `encodeHistograms` wrote; `create` makes empty ones, once the bytes are known to be enough
 * for so many channels.
 *
 * @throws EsparseError `protocol` for bytes that no data could have led to.
 */
export function decodeHistograms(
  bytes: Uint8Array,
  channels: number,
  tokens: number,
  create: () => EntropyHistograms,
): EntropyHistograms {
  if (tokens > 0 && bytes.length < LEAST_CHANNEL * channels) throw damaged(WHAT, 'it is cut short');
  const histograms = create();
  histograms.counted = tokens;
  if (tokens > 0 && entropyDecode(histograms, bytes)) return histograms;
  return decodeHistogramsReference(bytes, tokens, histograms);
}

/** The readable version of `entropyDecode`, which says what is wrong. */
export function decodeHistogramsReference(
  bytes: Uint8Array,
  tokens: number,
  histograms: EntropyHistograms,
): EntropyHistograms {
  const channels = histograms.zeros.length;
  const reader = new ByteReader(bytes, WHAT);
  if (tokens === 0) {
    reader.end();
    return histograms;
  }
  const columns: Columns<ByteReader> = {
    heads: reader.block(),
    gaps: reader.block(),
    counts: reader.block(),
    low: reader.block(),
    high: reader.block(),
  };
  reader.end();
  for (let c = 0; c < channels; c++) {
    const min = columns.heads.f32();
    const max = columns.heads.f32();
    if (
      !Number.isFinite(min) ||
      !Number.isFinite(max) ||
      min > max ||
      (Object.is(min, 0) && Object.is(max, -0))
    ) {
      throw damaged(WHAT, `channel ${c} has no range`);
    }
    histograms.ranges[c] = min;
    histograms.ranges[channels + c] = max;
    histograms.zeros[c] = columns.heads.varint();
    decodeBins(histograms.bins.subarray(c * ENTROPY_WORDS), min, max, `channel ${c}`);
    const atZero = min <= 0 && max >= 0 ? histograms.bins[c * ENTROPY_WORDS + 2 * ENTROPY_ZERO_SLOT]! : 0;
    const rangeEndsAtZero = min === 0 || max === 0;
    if (histograms.zeros[c]! > atZero || (rangeEndsAtZero && histograms.zeros[c] === 0)) {
      throw damaged(WHAT, `channel ${c} has a wrong count of zeros`);
    }
  }
  for (const name of NAMES) columns[name].end();
  return histograms;

  function decodeBins(into: Uint32Array, min: number, max: number, channel: string): void {
    const { count: most, slots, positions } = entropyBins(min, max);
    let left = tokens;
    let place = -1;
    while (left > 0) {
      const empty = columns.gaps.varint();
      const at = place + 1 + empty;
      const count = columns.counts.varint();
      if (at >= most || count === 0 || count > left || (place < 0 && empty > 0)) {
        throw damaged(WHAT, `${channel} has a bin out of place`);
      }
      const low = columns.low.byte();
      const high = columns.high.varint();
      if (high >= 2 ** 24) throw damaged(WHAT, `${channel} has a sum out of range`);
      const slot = slots[at]!;
      into[2 * slot] = count;
      into[2 * slot + 1] = high * 256 + low + Math.imul(count, positions[at]!);
      left -= count;
      place = at;
    }
    if (place !== most - 1) throw damaged(WHAT, `${channel} has no value at its maximum`);
  }
}
