const sumBits = new BigUint64Array(1);
const sumValue = new Float64Array(sumBits.buffer);

/**
 * a * b + c of three f32, rounded once, as the processors' fused multiply-add does it.
 *
 * The product of two f32 is exact in f64. Its sum with a third, rounded to f64 and then to f32, would be rounded twice;
 * rounding the first time to odd (if inexact, the last bit is one) leaves the second right.
 */
export function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  // What the sum lost, exactly (Knuth's two-sum); NaN where it is not finite.
  const back = sum - product;
  const lost = product - (sum - back) + (c - back);
  if (lost > 0 || lost < 0) {
    sumValue[0] = sum;
    if ((sumBits[0]! & 1n) === 0n) {
      sumBits[0]! += lost > 0 === sum > 0 ? 1n : -1n;
      return Math.fround(sumValue[0]);
    }
  }
  return Math.fround(sum);
}
