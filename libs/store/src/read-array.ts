import { EsparseError } from '@esparse/errors';
import { allocate, joinKey, type ObjectStore } from '@esparse/storage';
import { chunkKeyOf, chunkBytesOf, payloadBytesOf, type ArrayDocument } from './array-document.ts';
import { bytesOf, elementsFrom, type ArrayDtype, type ArrayTypes } from './array-types.ts';
import { crcOfTrailer, hexOf, TRAILER_BYTES } from './checksum.ts';
import { readSummed } from './read-object.ts';

/** An array in memory of its own: `data.buffer` holds the elements and nothing else. */
export interface StoredArray<T extends ArrayDtype = ArrayDtype> {
  readonly dtype: T;
  readonly data: ArrayTypes[T];
  readonly shape: readonly number[];
  readonly attributes: Record<string, unknown>;
}

/** Which array to read, and how. */
export interface ArrayRead<T extends ArrayDtype> {
  readonly store: ObjectStore;
  /** The array's folder. */
  readonly folder: string;
  readonly document: ArrayDocument & { data_type: T };
  /** Names run, block and array in messages. */
  readonly what: string;
  /** What a manifest says of the elements: eight hexadecimal digits. */
  readonly crc32c?: string | undefined;
  /** Memory for the elements, of exactly their size. @default what `memory` gives */
  readonly into?: ArrayTypes[T];
  /** Gives so many bytes for the elements, once the array was found to have them. @default new memory */
  readonly memory?: ((bytes: number) => Uint8Array) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the elements of an array and checks them against their trailer and the manifest.
 *
 * @throws EsparseError 'store' where the chunk is missing, of another size, or damaged
 */
export async function readArray<T extends ArrayDtype>(read: ArrayRead<T>): Promise<StoredArray<T>> {
  const { store, folder, document, what, into, memory = allocate, signal } = read;
  signal?.throwIfAborted();
  const { data_type: dtype, shape, attributes } = document;
  const chunkKey = chunkKeyOf(shape);
  if (chunkKey === undefined) {
    return { dtype, data: into ?? elementsFrom(dtype, new Uint8Array(0)), shape, attributes };
  }
  const source = await store.open(joinKey(folder, chunkKey));
  if (source === undefined) throw damaged(what, 'its data is missing');
  try {
    // Before anything is allocated: a hostile shape may claim any size.
    const expected = chunkBytesOf(document);
    if (source.size !== expected) {
      throw damaged(what, `its data has ${source.size} bytes instead of ${expected}`);
    }
    const bytes = into === undefined ? memory(payloadBytesOf(document)) : bytesOf(into);
    const crc = await readSummed(source, bytes, signal);
    const trailer = new Uint8Array(TRAILER_BYTES);
    const complete = crc !== undefined && (await source.readInto(bytes.byteLength, trailer));
    if (!complete || crcOfTrailer(trailer) !== crc || (read.crc32c ?? hexOf(crc)) !== hexOf(crc)) {
      throw damaged(what, 'the checksum of its data does not match');
    }
    return { dtype, data: into ?? elementsFrom(dtype, bytes), shape, attributes };
  } finally {
    await source.close();
  }
}

function damaged(what: string, fault: string): EsparseError {
  return new EsparseError('store', `${what} is damaged: ${fault}`, {
    hint: '`esparse verify` lists all damage; restore the store from a copy, or prune again into another one',
  });
}
