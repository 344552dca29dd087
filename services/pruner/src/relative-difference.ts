/** ‖a − b‖ / ‖a‖; 0 where both are 0. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const change = a[i]! - b[i]!;
    difference += change * change;
    size += a[i]! * a[i]!;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / size);
}
