import { EsparseError } from '@esparse/errors';
import { narrow, widen, widenReference, type HalfDtype } from '@esparse/kernels';
import { bytesPerElement, type TensorDtype } from './tensor-info.ts';

/**
 * A tensor's bytes (little-endian) as f32, exactly: every value of the 16-bit types is one of f32.
 * F32 is viewed, not copied, where its bytes are aligned: the result then shares the memory of `bytes`.
 */
export async function tensorToF32(dtype: TensorDtype, bytes: Uint8Array): Promise<Float32Array> {
  checkLength(dtype, bytes);
  if (dtype === 'F32') {
    const { buffer, byteOffset, byteLength } = aligned(bytes, 4);
    return new Float32Array(buffer, byteOffset, byteLength / 4);
  }
  return widen(halfOf(dtype), halfBits(bytes));
}

/** The largest finite f16. */
const LARGEST_F16 = 65504;

/** What `tensorToHalf` gives. */
export interface HalfTensor {
  readonly dtype: HalfDtype;
  readonly bits: Uint16Array;
  /** Whether any value had to be changed to fit. */
  readonly rounded: boolean;
}

/**
 * A tensor's bytes as 16-bit floating point. BF16 and F16 stay as they are (viewed where aligned); F32 becomes bf16,
 * to the nearest, ties to even: beyond the largest finite bf16 that is infinity, and NaN stays NaN.
 * `rounded` is true where any value changed; F32 that holds bf16 values converts exactly.
 *
 * @param preferred what F32 becomes where all of it is within f16's range. @default bf16
 */
export function tensorToHalf(
  dtype: TensorDtype,
  bytes: Uint8Array,
  preferred: HalfDtype = 'bf16',
): HalfTensor {
  checkLength(dtype, bytes);
  if (dtype !== 'F32') return { dtype: halfOf(dtype), bits: halfBits(bytes), rounded: false };
  const { buffer, byteOffset, byteLength } = aligned(bytes, 4);
  const floats = new Float32Array(buffer, byteOffset, byteLength / 4);
  if (preferred === 'f16' && floats.every((value) => Math.abs(value) <= LARGEST_F16)) {
    const bits = narrow('f16', floats);
    return {
      dtype: 'f16',
      bits,
      rounded: widenReference('f16', bits).some((value, i) => value !== floats[i]),
    };
  }
  const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
  // NaN stays NaN, whatever its lower bits.
  const rounded = words.some((word) => (word & 0xffff) !== 0 && (word & 0x7fffffff) <= 0x7f800000);
  return { dtype: 'bf16', bits: narrow('bf16', floats), rounded };
}

function halfOf(dtype: 'BF16' | 'F16'): HalfDtype {
  return dtype === 'BF16' ? 'bf16' : 'f16';
}

function halfBits(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 2);
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

/** The same bytes at an address that typed arrays accept. */
function aligned(bytes: Uint8Array, alignment: number): Uint8Array {
  return bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);
}

function checkLength(dtype: TensorDtype, bytes: Uint8Array): void {
  if (bytes.byteLength % bytesPerElement(dtype) === 0) return;
  throw new EsparseError('checkpoint', `${bytes.byteLength} bytes are no whole number of ${dtype} values`);
}
