/**
 * max |found - expected| / max |expected|: 0 where all are equal, NaN where a difference is NaN, infinite where the
 * lengths differ.
 */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let largest = 0;
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    error = Math.max(error, Math.abs(found[i]! - expected[i]!));
  }
  return error === 0 ? 0 : error / largest;
}
