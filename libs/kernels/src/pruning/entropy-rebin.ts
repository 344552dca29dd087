import {
  exponentOf,
  INNER,
  isFinest,
  magnitudeAt,
  orderOf,
  positionOf,
  positionsBetween,
  slotAt,
} from './entropy-grid.ts';

/** The histogram of one channel. */
export interface ChannelHistogram {
  /** u32 (ENTROPY_WORDS): see `EntropyHistograms`. */
  readonly bins: Uint32Array;
  readonly zeros: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The mass of a channel in each of `bins` equal bins between `low` and `high`.
 *
 * A bin of the grid that lies within one coarse bin goes there whole. One that straddles an edge is first clipped
 * to the channel's range. Then as much of it as its thinner neighbour holds is taken for a spread and shared out
 * in proportion; the rest is taken for a point mass, put where the mean position of the bin says that it is.
 * Exact zeros go whole into the coarse bin that contains 0.
 */
export function rebin(channel: ChannelHistogram, low: number, high: number, bins: number): Float64Array {
  const mass = new Float64Array(bins);
  const { min, max } = channel;
  const e = exponentOf(min, max);
  const finest = isFinest(min, max, e);
  const width = 2 ** e;
  const scale = bins / (high - low);
  const coarse = (position: number): number => Math.min(Math.max(Math.floor(position), 0), bins - 1);
  const head = orderOf(min, e);
  const last = orderOf(max, e);
  const countAt = (order: number): number =>
    order < head || order > last ? 0 : channel.bins[2 * slotAt(order)]!;
  const widthAt = (order: number): number => {
    const fromZero = order < 0 ? ~order : order;
    return magnitudeAt(fromZero + 1) - magnitudeAt(fromZero);
  };

  for (let order = head; order <= last; order++) {
    let count = countAt(order);
    if (order === 0) count -= channel.zeros;
    if (count === 0) continue;
    const fromZero = order < 0 ? ~order : order;
    const near = magnitudeAt(fromZero) * width;
    const far = magnitudeAt(fromZero + 1) * width;
    const from = (Math.max(order < 0 ? -far : near, min) - low) * scale;
    const to = (Math.min(order < 0 ? -near : far, max) - low) * scale;
    if (finest) {
      // One f32 per bin: its value is the edge nearer to zero.
      mass[coarse(order < 0 ? to : from)]! += count;
      continue;
    }
    const first = coarse(from);
    const final = coarse(to);
    if (first === final) {
      mass[first]! += count;
      continue;
    }

    let spread = count;
    const resolution = positionsBetween(near, far);
    // The innermost bins span octaves, so positions say nothing there; nor where their sum may have wrapped around.
    if (fromZero >= INNER && resolution >= 0 && count * 2 ** resolution <= 2 ** 32) {
      const here = widthAt(order);
      const before = (countAt(order - 1) / widthAt(order - 1)) * here;
      const after = (countAt(order + 1) / widthAt(order + 1)) * here;
      spread = Math.min(before, after, count);
      const point = count - spread;
      if (point > 0) {
        const offsets = (channel.bins[2 * slotAt(order) + 1]! - count * positionOf(near)) >>> 0;
        // Positions were cut off: half a unit each is their mean loss. The spread's own mean is the middle.
        const moment = (offsets + 0.5 * count) / 2 ** resolution - 0.5 * spread;
        const place = Math.min(Math.max(moment / point, 0), 1);
        const magnitude = near + place * (far - near);
        const position = ((order < 0 ? -magnitude : magnitude) - low) * scale;
        mass[coarse(Math.min(Math.max(position, from), to))]! += point;
      }
    }
    const density = spread / (to - from);
    mass[first]! += (first + 1 - from) * density;
    for (let k = first + 1; k < final; k++) mass[k]! += density;
    mass[final]! += (to - final) * density;
  }
  if (channel.zeros > 0) mass[coarse((0 - low) * scale)]! += channel.zeros;
  return mass;
}
