/** The largest difference between a row-major matrix and a reference, relative to the reference's largest value. */
export function relativeError(found: ArrayLike<number>, expected: readonly (readonly number[])[]): number {
  const flat = expected.flat();
  if (flat.length !== found.length) return Infinity;
  let largest = 0;
  let error = 0;
  for (let i = 0; i < flat.length; i++) {
    largest = Math.max(largest, Math.abs(flat[i]!));
    const difference = Math.abs(found[i]! - flat[i]!);
    // Written so that a NaN counts.
    if (!(difference <= error)) error = difference;
  }
  return error / largest;
}
