import { EsparseError } from '@esparse/errors';
import type { ArrayDocument } from './array-document.ts';
import { chunkKeyOf, payloadBytesOf } from './array-document.ts';
import type { ArrayDtype } from './array-types.ts';
import { readGroupContents } from './group-contents.ts';
import { joinKey } from './key.ts';
import type { ObjectStore } from './object-store.ts';
import { readArray, type StoredArray } from './read-array.ts';
import type { Attributes } from './sealed-document.ts';

/** What is known of an array without reading its elements. */
export interface ArrayInfo {
  readonly shape: readonly number[];
  readonly dtype: ArrayDtype;
  /** Bytes of the elements. */
  readonly bytes: number;
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
  /** The same for an array that must have this dtype. @throws EsparseError 'store' where it has another */
  readAs<T extends ArrayDtype>(path: string, dtype: T, signal?: AbortSignal): Promise<StoredArray<T>>;
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
  const { attributes, arrays, groups } = await readGroupContents(store, folder, label);
  const arrayAt = (path: string): ArrayDocument => {
    const document = arrays.get(path);
    if (document !== undefined) return document;
    throw new EsparseError('store', `${label}: there is no array ${path}`, {
      hint: `it has ${[...arrays.keys()].slice(0, 20).join(', ')}`,
    });
  };
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
    arrays: new Map([...arrays].map(([path, document]) => [path, infoOf(document)])),
    read: async (path, signal) =>
      readArray(store, joinKey(folder, path), arrayAt(path), `${label}: array ${path}`, signal),
    async readAs(path, dtype, signal) {
      const document = arrayAt(path);
      if (!hasDtype(document, dtype)) {
        throw new EsparseError('store', `${label}: array ${path} is of ${document.data_type}, not ${dtype}`);
      }
      return readArray(store, joinKey(folder, path), document, `${label}: array ${path}`, signal);
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

function infoOf(document: ArrayDocument): ArrayInfo {
  const { shape, data_type: dtype, attributes } = document;
  return { shape, dtype, bytes: payloadBytesOf(document), attributes };
}
