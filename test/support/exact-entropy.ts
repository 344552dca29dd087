/** Rows of one tap: (rows x channels). */
interface Rows {
  readonly rows: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/**
 * The entropy (nats) of each channel over all tiles, with every value at hand: a histogram of equal bins between the
 * channel's minimum and maximum, in f64, a value at the maximum lying in the last bin.
 */
export function exactEntropy(tiles: readonly Rows[], bins: number): Float64Array {
  const channels = tiles[0]!.channels;
  return Float64Array.from({ length: channels }, (_, channel) => {
    const values = tiles.flatMap(({ rows, data }) =>
      Array.from({ length: rows }, (__, row) => data[row * channels + channel]!),
    );
    const min = values.reduce((a, b) => Math.min(a, b), Infinity);
    const max = values.reduce((a, b) => Math.max(a, b), -Infinity);
    if (min === max) return 0;
    const counts = new Float64Array(bins);
    for (const value of values)
      counts[Math.min(bins - 1, Math.floor(((value - min) / (max - min)) * bins))]!++;
    return counts.reduce((sum, count) => {
      const p = count / values.length;
      return p === 0 ? sum : sum - p * Math.log(p);
    }, 0);
  });
}
