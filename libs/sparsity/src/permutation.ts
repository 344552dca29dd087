/** The original order. */
export function identityOrder(cols: number): Int32Array {
  return Int32Array.from({ length: cols }, (_, i) => i);
}

/** Whether an array names every channel from 0 to cols - 1 exactly once. */
export function isPermutation(order: Int32Array, cols: number): boolean {
  if (order.length !== cols) return false;
  const seen = new Uint8Array(cols);
  for (const channel of order) {
    if (channel < 0 || channel >= cols || seen[channel] === 1) return false;
    seen[channel] = 1;
  }
  return true;
}

/**
 * The same groups, each in ascending order of its channels: what is kept does not depend on the order within a
 * group, ties and memory accesses are better for it.
 */
export function canonicalOrder(order: Int32Array, group: number): Int32Array {
  const canonical = order.slice();
  for (let first = 0; first < canonical.length; first += group) {
    canonical.subarray(first, first + group).sort();
  }
  return canonical;
}
