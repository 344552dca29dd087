/** 1.5 * 2^52: adding it rounds to a whole number, which then lies in the low bits. */
const ROUND = 6755399441055744;
/** ln 2 in two parts, of which the first times a whole number up to 2^20 is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** 1 / 11!, 1 / 10!, … 1 / 0!, as they follow 1 / 12!. */
const COEFFICIENTS = [39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1].map((n) => 1 / n);
const word = new DataView(new ArrayBuffer(8));

/**
 * e^x for x <= 0 in f64, within 1e-15 of it relatively; e^-708 below that, NaN for NaN: plain arithmetic in a fixed order, so that
 * the native kernels and every machine give the same bits, which the C library's `exp` does not promise.
 *
 * x = n ln 2 + r, |r| <= ln(2) / 2, and e^r by its series up to r^12.
 */
export function exponential(x: number): number {
  const bounded = x < -708 ? -708 : x;
  const n = bounded * Math.LOG2E + ROUND - ROUND;
  const r = bounded - n * LN2_HIGH - n * LN2_LOW;
  let y = 1 / 479001600;
  for (const coefficient of COEFFICIENTS) y = y * r + coefficient;
  word.setUint32(0, (n + 1023) << 20);
  return y * word.getFloat64(0);
}
