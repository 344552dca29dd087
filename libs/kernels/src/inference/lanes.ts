const f = Math.fround;
const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

/** The sum of sixteen partial sums, in the order of the native kernels: l + 8, then l + 4, l + 2 and l + 1. */
export function laneTotal(lanes: Float32Array): number {
  const sum = lanes.slice();
  for (let step = 8; step >= 1; step /= 2) {
    for (let l = 0; l < step; l++) sum[l] = sum[l]! + sum[l + step]!;
  }
  return sum[0]!;
}

/** 1.5 * 2^23: adding it rounds to a whole number, which then lies in the low bits. */
const ROUND = 12582912;

/**
 * e^x for x <= 0 in f32 arithmetic, within 3e-7 of it relatively; 0 below -87, where e^x leaves the normal numbers; NaN
 * for NaN. x = n ln 2 + r, |r| <= ln(2) / 2, and e^r by its series up to r^7.
 */
export function expNegative(x: number): number {
  if (x < -87) return 0;
  const shifted = f(f(x * f(1.44269504)) + ROUND);
  const n = f(shifted - ROUND);
  const r = f(f(x - f(n * 0.693359375)) - f(n * f(-2.1219444e-4)));
  let y = f(1 / 5040);
  for (const coefficient of [1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1, 1]) y = f(f(y * r) + f(coefficient));
  word[0] = shifted;
  bits[0] = (bits[0]! - (0x4b400000 - 127)) << 23;
  return f(y * word[0]);
}
