import { EsparseError } from '@esparse/errors';
import { mapFile } from '@esparse/kernels';
import type { ArrayData, ArrayDtype, ArrayTypes, CommittedGroup } from '@esparse/store';

/** Where the arrays of a run can be mapped from: the store itself, or a local cache of it. */
export interface ArraySource {
  /**
   * A local file that begins with the elements of an array.
   *
   * @param folder of the group in the run, such as 'blocks/3' or 'dense'
   */
  file(group: CommittedGroup, folder: string, array: string): Promise<string>;
  /** Ends the use of the files. */
  close(): Promise<void>;
}

/** Maps the files of the store itself. */
export function directSource(): ArraySource {
  return {
    file(group, _folder, array) {
      const file = group.chunkFile?.(array);
      if (file !== undefined) return Promise.resolve(file);
      throw new EsparseError('usage', 'this store is not on a local file system', {
        hint: 'name a local cache directory',
      });
    },
    close: () => Promise.resolve(),
  };
}

/**
 * Maps an array, read-only.
 *
 * @throws EsparseError 'store' where it is not there, of another type or shape, or its file has another size
 */
export async function mapArray<T extends ArrayDtype>(
  source: ArraySource,
  { group, folder }: GroupPlace,
  array: string,
  dtype: T,
  shape: readonly number[],
): Promise<ArrayTypes[T]> {
  const info = group.arrays.get(array);
  const where = `${folder}: array ${array}`;
  if (info === undefined) throw refused(`${where} is missing`);
  if (info.dtype !== dtype || info.shape.join() !== shape.join()) {
    throw refused(
      `${where} is ${info.dtype} ${sizes(info.shape)} where the model has ${dtype} ${sizes(shape)}`,
    );
  }
  const bytes = mapFile(await source.file(group, folder, array));
  // Behind the elements comes their checksum; a file cut short would kill the process that touches its end.
  if (bytes.length < info.bytes) {
    throw refused(`${where} has ${bytes.length} bytes of data where ${info.bytes} were expected`);
  }
  return viewOf(dtype, bytes, info.bytes) as ArrayTypes[T];
}

/** A committed group and its folder in the run. */
export interface GroupPlace {
  readonly group: CommittedGroup;
  readonly folder: string;
}

function viewOf(dtype: ArrayDtype, { buffer, byteOffset }: Uint8Array, bytes: number): ArrayData {
  switch (dtype) {
    case 'uint8':
      return new Uint8Array(buffer, byteOffset, bytes);
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, bytes / 2);
    case 'int32':
      return new Int32Array(buffer, byteOffset, bytes / 4);
    case 'float32':
      return new Float32Array(buffer, byteOffset, bytes / 4);
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
