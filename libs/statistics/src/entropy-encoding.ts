import { ENTROPY_WORDS, ENTROPY_ZERO_SLOT, entropySlots, type EntropyHistograms } from '@esparse/kernels';
import { ByteReader, ByteWriter } from './bytes.ts';
import { damaged } from './frame.ts';

/** Least bytes of a channel that has seen something: its range, its zeros, one bin. */
const LEAST_CHANNEL = 4 + 4 + 1 + 3;

/**
 * Histograms as bytes. For each channel: minimum and maximum (f32), the count of zeros, then for each bin that
 * holds something, ascending: the number of empty bins before it, its count and its sum of positions. These are
 * varints; the channel ends when its counts reach `tokens`. Nothing at all for no tokens.
 *
 * All rows must be counted. Equal histograms have equal bytes, and a shard of 2048 tokens takes about 2 KB a channel.
 */
export function encodeHistograms(histograms: EntropyHistograms, tokens: number): Uint8Array {
  const { ranges, zeros, bins } = histograms;
  const channels = zeros.length;
  const writer = new ByteWriter();
  if (tokens === 0) return writer.take();
  for (let c = 0; c < channels; c++) {
    const min = ranges[c]!;
    const max = ranges[channels + c]!;
    writer.f32(min);
    writer.f32(max);
    writer.varint(zeros[c]!);
    let empty = 0;
    for (const slot of entropySlots(min, max)) {
      const at = c * ENTROPY_WORDS + 2 * slot;
      const count = bins[at]!;
      if (count === 0) {
        empty++;
        continue;
      }
      writer.varint(empty);
      writer.varint(count);
      writer.varint(bins[at + 1]!);
      empty = 0;
    }
  }
  return writer.take();
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
  const what = 'a state of the statistic entropy';
  const reader = new ByteReader(bytes, what);
  if (tokens > 0 && bytes.length < LEAST_CHANNEL * channels) throw damaged(what, 'it is cut short');
  const histograms = create();
  histograms.counted = tokens;
  for (let c = 0; tokens > 0 && c < channels; c++) {
    const min = reader.f32();
    const max = reader.f32();
    if (
      !Number.isFinite(min) ||
      !Number.isFinite(max) ||
      min > max ||
      (Object.is(min, 0) && Object.is(max, -0))
    ) {
      throw damaged(what, `channel ${c} has no range`);
    }
    histograms.ranges[c] = min;
    histograms.ranges[channels + c] = max;
    histograms.zeros[c] = reader.varint();
    decodeBins(
      reader,
      histograms.bins.subarray(c * ENTROPY_WORDS),
      entropySlots(min, max),
      tokens,
      `channel ${c}`,
    );
    const atZero = min <= 0 && max >= 0 ? histograms.bins[c * ENTROPY_WORDS + 2 * ENTROPY_ZERO_SLOT]! : 0;
    const rangeEndsAtZero = min === 0 || max === 0;
    if (histograms.zeros[c]! > atZero || (rangeEndsAtZero && histograms.zeros[c] === 0)) {
      throw damaged(what, `channel ${c} has a wrong count of zeros`);
    }
  }
  if (reader.left > 0) throw damaged(what, `${reader.left} bytes are left over`);
  return histograms;

  function decodeBins(
    from: ByteReader,
    into: Uint32Array,
    slots: readonly number[],
    total: number,
    channel: string,
  ): void {
    let left = total;
    let place = -1;
    while (left > 0) {
      const empty = from.varint();
      const slot = slots[place + 1 + empty];
      const count = from.varint();
      if (slot === undefined || count === 0 || count > left || (place < 0 && empty > 0)) {
        throw damaged(what, `${channel} has a bin out of place`);
      }
      into[2 * slot] = count;
      into[2 * slot + 1] = from.varint();
      left -= count;
      place += 1 + empty;
    }
    if (place !== slots.length - 1) throw damaged(what, `${channel} has no value at its maximum`);
  }
}
