/** The entropy (nats) of all values of one channel in `bins` equal bins from `low` to `high`, from the data itself. */
export function exactEntropy(values: ArrayLike<number>, bins: number, low: number, high: number): number {
  if (low === high) return 0;
  const counts = new Map<number, number>();
  for (let i = 0; i < values.length; i++) {
    const bin = Math.min(bins - 1, Math.floor(((values[i]! - low) / (high - low)) * bins));
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  let entropy = 0;
  for (const count of counts.values()) entropy -= (count / values.length) * Math.log(count / values.length);
  return entropy;
}
