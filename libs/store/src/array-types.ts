import { EsparseError } from '@esparse/errors';

/** Element types of stored arrays, by their Zarr names; 16-bit floats are stored as their uint16 bits. */
export interface ArrayTypes {
  uint8: Uint8Array;
  uint16: Uint16Array;
  int32: Int32Array;
  float32: Float32Array;
}
export type ArrayDtype = keyof ArrayTypes;
export type ArrayData = ArrayTypes[ArrayDtype];

/** An array to be stored: `data` in C order, as many elements as the shape says. */
export interface ArrayInput {
  readonly data: ArrayData;
  readonly shape: readonly number[];
  /** Plain JSON; kept as the Zarr attributes of the array. */
  readonly attributes?: Record<string, unknown>;
}

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<ArrayDtype, number>> = {
  uint8: 1,
  uint16: 2,
  int32: 4,
  float32: 4,
};

/** The dtype of a typed array, by its tag: `instanceof` fails across realms. */
export function dtypeOf(data: ArrayData): ArrayDtype {
  switch (data[Symbol.toStringTag]) {
    case 'Uint8Array':
      return 'uint8';
    case 'Uint16Array':
      return 'uint16';
    case 'Int32Array':
      return 'int32';
    case 'Float32Array':
      return 'float32';
  }
}

/** The number of elements of a shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** The bytes of a typed array, without a copy. */
export function bytesOf(data: ArrayData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Little-endian bytes as elements, without a copy where they are aligned. */
export function elementsFrom<T extends ArrayDtype>(dtype: T, bytes: Uint8Array): ArrayTypes[T] {
  assertLittleEndian();
  const aligned = bytes.byteOffset % ELEMENT_BYTES[dtype] === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  const length = byteLength / ELEMENT_BYTES[dtype];
  const make: { [D in ArrayDtype]: () => ArrayTypes[D] } = {
    uint8: () => new Uint8Array(buffer, byteOffset, length),
    uint16: () => new Uint16Array(buffer, byteOffset, length),
    int32: () => new Int32Array(buffer, byteOffset, length),
    float32: () => new Float32Array(buffer, byteOffset, length),
  };
  return make[dtype]();
}

/** Arrays are stored as they lie in memory, little-endian. @throws EsparseError 'unsupported' elsewhere */
export function assertLittleEndian(): void {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return;
  throw new EsparseError('unsupported', 'esparse runs on little-endian machines only');
}
