import { EsparseError } from '@esparse/errors';
import { joinKey, type ObjectStore } from '@esparse/storage';
import type { ArrayDocument } from './array-document.ts';
import { chunkKeyOf, payloadBytesOf } from './array-document.ts';
import { dtypeOf, elementsOf, type ArrayData, type ArrayDtype } from './array-types.ts';
import { readGroupContents } from './group-contents.ts';
import { readArray, type StoredArray } from './read-array.ts';
import type { Attributes } from './sealed-document.ts';

/** What is known of an array without reading its elements. */
export interface ArrayInfo {
  readonly shape: readonly number[];
  readonly dtype: ArrayDtype;
  /** Bytes of the elements. */
  readonly bytes: number;
  /** Their CRC32C as the manifest has it, eight hexadecimal digits; absent where there are no elements. */
  readonly crc32c?: string;
  readonly attributes: Attributes;
}

/** A committed block, or the committed dense arrays of a run; it never changes. */
export interface CommittedGroup {
  /** What was given to `commit`. */
  readonly attributes: Attributes;
  /** Every array, by its path below the group, such as 'q_proj/values'. */
  readonly arrays: ReadonlyMap<string, ArrayInfo>;
  /**
   * Reads an array and checks its checksum.
   *
   * @throws EsparseError 'store' naming run, block and array where it is missing or damaged
   */
  read(path: string, signal?: AbortSignal): Promise<StoredArray>;
  /**
   * The same for an array that must have this dtype.
   *
   * @param memory - for the elements; after an error it is used no more @default new memory
   * @throws EsparseError 'store' where it has another
   */
  readAs<T extends ArrayDtype>(
    path: string,
    dtype: T,
    signal?: AbortSignal,
    memory?: (bytes: number) => Uint8Array,
  ): Promise<StoredArray<T>>;
  /**
   * The same into memory of the caller, of exactly this dtype and number of elements. Where arrays are read one
   * after the other, this is about 1.4 times as fast as `read`, whose time goes into paging in new memory.
   * After an error the memory holds parts of the array.
   *
   * @throws EsparseError 'usage' where the memory does not fit
   */
  readInto(path: string, target: ArrayData, signal?: AbortSignal): Promise<StoredArray>;
  /**
   * The file of an array's elements, to be memory-mapped: the elements from its first byte, and a trailer of
   * 4 bytes. Its size was checked when the group was opened, its checksum was not. Absent in stores that are not
   * local files.
   *
   * @throws EsparseError 'store' for an array that is not there or has no elements
   */
  readonly chunkFile?: (path: string) => string;
  /** The attributes of a group given to `putGroup`. @throws EsparseError 'store' where there is no such group */
  groupAttributes(path: string): Attributes;
}

/**
 * Opens a committed group: its commit object, and the metadata of all its arrays, checked against the manifest.
 *
 * @param label names run and block in messages
 * @throws EsparseError 'store' where the group is not committed or is damaged
 */
export async function openGroup(store: ObjectStore, folder: string, label: string): Promise<CommittedGroup> {
  const { attributes, arrays, groups, objects } = await readGroupContents(store, folder, label);
  const arrayAt = (path: string): ArrayDocument => {
    const document = arrays.get(path);
    if (document !== undefined) return document;
    throw new EsparseError('store', `${label}: there is no array ${path}`, {
      hint: `it has ${[...arrays.keys()].slice(0, 20).join(', ')}`,
    });
  };
  const sums = new Map(objects.map((entry) => [entry.path, entry.crc32c]));
  const sumOf = (path: string, { shape }: ArrayDocument) => sums.get(joinKey(path, chunkKeyOf(shape) ?? ''));
  const placeOf = (path: string) => ({
    store,
    folder: joinKey(folder, path),
    what: `${label}: array ${path}`,
    crc32c: sumOf(path, arrayAt(path)),
  });
  const mappable = {
    chunkFile(path: string): string {
      const chunk = chunkKeyOf(arrayAt(path).shape);
      const file = chunk === undefined ? undefined : store.fileOf?.(joinKey(folder, path, chunk));
      if (file !== undefined) return file;
      throw new EsparseError('store', `${label}: the array ${path} has no elements to map`);
    },
  };
  return {
    attributes,
    arrays: new Map([...arrays].map(([path, document]) => [path, infoOf(document, sumOf(path, document))])),
    read: async (path, signal) => readArray({ ...placeOf(path), document: arrayAt(path), signal }),
    async readAs(path, dtype, signal, memory) {
      const document = arrayAt(path);
      if (!hasDtype(document, dtype)) {
        throw new EsparseError('store', `${label}: array ${path} is of ${document.data_type}, not ${dtype}`);
      }
      return readArray({ ...placeOf(path), document, memory, signal });
    },
    async readInto(path, into, signal) {
      const document = arrayAt(path);
      const elements = elementsOf(document.shape);
      if (dtypeOf(into) !== document.data_type || into.length !== elements) {
        const needed = `${elements} elements of ${document.data_type}`;
        throw new EsparseError('usage', `${label}: array ${path} is read into memory for ${needed} only`);
      }
      return readArray({ ...placeOf(path), document, into, signal });
    },
    groupAttributes(path) {
      const group = groups.get(path);
      if (group !== undefined) return group;
      throw new EsparseError('store', `${label}: there is no group ${path}`);
    },
    ...(store.fileOf === undefined ? {} : mappable),
  };
}

function hasDtype<T extends ArrayDtype>(
  document: ArrayDocument,
  dtype: T,
): document is ArrayDocument & { data_type: T } {
  return document.data_type === dtype;
}

function infoOf(document: ArrayDocument, crc32c: string | undefined): ArrayInfo {
  const { shape, data_type: dtype, attributes } = document;
  return {
    shape,
    dtype,
    bytes: payloadBytesOf(document),
    attributes,
    ...(crc32c !== undefined && { crc32c }),
  };
}
