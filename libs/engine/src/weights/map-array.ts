import { EsparseError } from '@esparse/errors';
import { mapFile } from '@esparse/kernels';
import type { ArrayData, ArrayDtype, ArrayTypes } from '@esparse/store';
import type { ArrayGroup } from './model-arrays.ts';

/** Bytes of an element. */
const ELEMENT_BYTES: Readonly<Record<ArrayDtype, number>> = { uint8: 1, uint16: 2, int32: 4, float32: 4 };

/**
 * Maps an array, read-only. One whose file does not have it at a multiple of its elements' size is copied: only another
 * program's safetensors files can be so.
 *
 * @throws EsparseError 'store' where it is not there, of another type or shape, or its file has another size
 */
export async function mapArray<T extends ArrayDtype>(
  group: ArrayGroup,
  array: string,
  dtype: T,
  shape: readonly number[],
): Promise<ArrayTypes[T]> {
  const info = group.arrays.get(array);
  const where = `${group.name}: array ${array}`;
  if (info === undefined) throw refused(`${where} is missing`);
  if (info.dtype !== dtype || info.shape.join() !== shape.join()) {
    throw refused(
      `${where} is ${info.dtype} ${sizes(info.shape)} where the model has ${dtype} ${sizes(shape)}`,
    );
  }
  const { file, offset } = await group.locate(array);
  // A file that is cut short would kill the process that touches its end: mapping compares the sizes.
  const bytes = mapFile(file, { offset, length: info.bytes });
  const aligned = offset % ELEMENT_BYTES[dtype] === 0 ? bytes : bytes.slice();
  return viewOf(dtype, aligned, info.bytes) as ArrayTypes[T];
}

function viewOf(dtype: ArrayDtype, { buffer, byteOffset }: Uint8Array, bytes: number): ArrayData {
  const length = bytes / ELEMENT_BYTES[dtype];
  switch (dtype) {
    case 'uint8':
      return new Uint8Array(buffer, byteOffset, length);
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
  }
}

function sizes(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function refused(message: string): EsparseError {
  return new EsparseError('store', message, {
    hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`',
  });
}
