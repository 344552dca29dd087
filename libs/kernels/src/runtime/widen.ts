import { addon } from '../addon.ts';

/** The 16-bit floating-point types of checkpoints. */
export type HalfDtype = 'bf16' | 'f16';

/** Converts 16-bit floating point, held as its bits, to f32: exact, NaN and infinity included. */
export async function widen(dtype: HalfDtype, bits: Uint16Array): Promise<Float32Array> {
  const native = addon();
  if (native === null) return widenReference(dtype, bits);
  const out = new Float32Array(bits.length);
  await native.widen({ dtype, from: bits, to: out });
  return out;
}

/** The readable version of `widen`. */
export function widenReference(dtype: HalfDtype, bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  const outBits = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!;
    outBits[i] = dtype === 'bf16' ? half << 16 : f16ToF32Bits(half);
  }
  return out;
}

function f16ToF32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal, fraction * 2^-24: shift the leading one into the implicit bit.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | ((fraction << (13 + shift)) & 0x7fffff);
}
