/**
 * The rank of each channel, from 1, the most important first; of equal ones the one of the lower number is before.
 *
 * @param importance (channels)
 */
export function ranksOf(importance: ArrayLike<number>): Int32Array {
  const order = Int32Array.from(importance, (_, c) => c).sort(
    (a, b) => importance[b]! - importance[a]! || a - b,
  );
  const ranks = new Int32Array(order.length);
  order.forEach((channel, rank) => (ranks[channel] = rank + 1));
  return ranks;
}
