const LN2 = Math.LN2;
const word = new DataView(new ArrayBuffer(8));

/**
 * ln x of a normal, positive f64, within 2 units in the last place: plain arithmetic in a fixed order, so that
 * the native kernels and every machine give the same bits, which the C library's `log` does not promise.
 *
 * x = 2^k f with f in [sqrt(1/2), sqrt(2)); ln f = 2 atanh(s), s = (f - 1) / (f + 1), |s| < 0.172.
 */
export function naturalLog(x: number): number {
  word.setFloat64(0, x);
  const high = word.getUint32(0);
  let k = (high >>> 20) - 1023;
  word.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  let f = word.getFloat64(0);
  if (f > Math.SQRT2) {
    f /= 2;
    k += 1;
  }
  const s = (f - 1) / (f + 1);
  const square = s * s;
  // 1 + s²/3 + s⁴/5 + … : the first term left out is below 2^-58.
  let series = 1 / 23;
  for (let odd = 21; odd >= 1; odd -= 2) series = series * square + 1 / odd;
  return k * LN2 + 2 * s * series;
}
