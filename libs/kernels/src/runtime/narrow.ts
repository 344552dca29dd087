import { addon } from '../addon.ts';
import { inHugePages } from './huge-pages.ts';
import type { HalfDtype } from './widen.ts';

/** Fewer are rounded here: the kernel would take longer to call its threads. */
const MANY = 1 << 16;

/**
 * Rounds f32 to 16-bit floating point, to the nearest, ties to even, as its bits. What is too large becomes infinity, NaN
 * stays NaN. Many at once are rounded on all threads.
 */
export function narrow(dtype: HalfDtype, values: Float32Array): Uint16Array {
  const native = values.length < MANY ? null : addon();
  if (native === null) return narrowReference(dtype, values);
  const to = inHugePages(new Uint16Array(values.length));
  native.narrow({ dtype, from: values, to });
  return to;
}

/** The readable version of `narrow`. */
export function narrowReference(dtype: HalfDtype, values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = inHugePages(new Uint16Array(words.length));
  // Two loops, each of which calls one function: what is called is inlined then.
  if (dtype === 'bf16') for (let i = 0; i < words.length; i++) bits[i] = bf16Of(words[i]!);
  else for (let i = 0; i < words.length; i++) bits[i] = f16Of(words[i]!);
  return bits;
}

function bf16Of(word: number): number {
  // NaN: cutting off its lower bits could leave infinity, so the quiet bit is set.
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return roundedShift(word, 16);
}

function f16Of(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // The least f32 that rounds to infinity: 65520.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // From 2^-14 on the numbers are normal: the exponent's bias changes from 127 to 15.
  if (magnitude >= 0x38800000) return sign | roundedShift(magnitude - (112 << 23), 13);
  const exponent = magnitude >>> 23;
  // Half of the least subnormal, 2^-25, rounds to zero.
  if (exponent < 102) return sign;
  return sign | roundedShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

/**
 * Shifts right and rounds what falls off to the nearest, ties to even: adds just under half a unit, or just half where the
 * kept part is odd. A carry runs into the exponent, rightly.
 */
function roundedShift(word: number, by: number): number {
  return (word + (2 ** (by - 1) - 1) + ((word >>> by) & 1)) >>> by;
}
