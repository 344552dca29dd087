import type { ArrayValue } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { widenReference } from '@esparse/kernels';

/** The elements of an array of any type, as numbers. @throws EsparseError 'unsupported' for a type that has none */
export function numbersOf({ type, bytes }: ArrayValue): ArrayLike<number> {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  switch (type) {
    case 1:
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 2:
    case 9:
      return new Uint8Array(buffer, byteOffset, byteLength);
    case 3:
      return new Int8Array(buffer, byteOffset, byteLength);
    case 4:
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case 5:
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case 6:
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case 7:
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, byteLength / 8), Number);
    case 10:
      return widenReference('f16', new Uint16Array(buffer, byteOffset, byteLength / 2));
    case 11:
      return new Float64Array(buffer, byteOffset, byteLength / 8);
    default:
      throw new EsparseError('unsupported', `values of type ${type} are not compared`);
  }
}
