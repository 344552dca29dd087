import { EsparseError } from '@esparse/errors';
import { chunkKeyOf, chunkBytesOf, payloadBytesOf, type ArrayDocument } from './array-document.ts';
import { elementsFrom, type ArrayDtype, type ArrayTypes } from './array-types.ts';
import { crcOfTrailer, TRAILER_BYTES } from './checksum.ts';
import { allocate } from './file-handle.ts';
import { joinKey } from './key.ts';
import type { ObjectStore } from './object-store.ts';
import { openObject, readSummed } from './read-object.ts';

/** An array in memory of its own: `data.buffer` holds the elements and nothing else. */
export interface StoredArray<T extends ArrayDtype = ArrayDtype> {
  readonly dtype: T;
  readonly data: ArrayTypes[T];
  readonly shape: readonly number[];
  readonly attributes: Record<string, unknown>;
}

/**
 * Reads the elements of an array and checks them against their trailer.
 *
 * @param folder the array's folder
 * @param what names run, block and array in messages
 * @throws EsparseError 'store' where the chunk is missing, of another size, or damaged
 */
export async function readArray<T extends ArrayDtype>(
  store: ObjectStore,
  folder: string,
  document: ArrayDocument & { data_type: T },
  what: string,
  signal?: AbortSignal,
): Promise<StoredArray<T>> {
  signal?.throwIfAborted();
  const { data_type: dtype, shape, attributes } = document;
  const chunkKey = chunkKeyOf(shape);
  if (chunkKey === undefined) {
    return { dtype, data: elementsFrom(dtype, new Uint8Array(0)), shape, attributes };
  }
  const handle = await openObject(store, joinKey(folder, chunkKey));
  if (handle === undefined) throw damaged(what, 'its data is missing');
  try {
    // Before anything is allocated: a hostile shape may claim any size.
    const expected = chunkBytesOf(document);
    if (handle.size !== expected)
      throw damaged(what, `its data has ${handle.size} bytes instead of ${expected}`);
    const bytes = allocate(payloadBytesOf(document));
    const crc = await readSummed(handle, bytes, signal);
    const trailer = new Uint8Array(TRAILER_BYTES);
    const complete = crc !== undefined && (await handle.readInto(bytes.byteLength, trailer));
    if (!complete || crcOfTrailer(trailer) !== crc)
      throw damaged(what, 'the checksum of its data does not match');
    return { dtype, data: elementsFrom(dtype, bytes), shape, attributes };
  } finally {
    await handle.close();
  }
}

function damaged(what: string, fault: string): EsparseError {
  return new EsparseError('store', `${what} is damaged: ${fault}`, {
    hint: '`esparse verify` lists all damage; restore the store from a copy, or prune again into another one',
  });
}
