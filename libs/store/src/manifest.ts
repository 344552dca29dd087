import { z } from 'zod';
import { isKey, type ObjectStore } from '@esparse/storage';
import { checksum, crcOfTrailer, hexOf, TRAILER_BYTES } from './checksum.ts';
import { MAX_ARRAY_BYTES, MAX_MANIFEST_OBJECTS } from './limits.ts';
import { sumObject } from './read-object.ts';

/**
 * An object of a committed group, as its manifest lists it. `crc32c` is that of the object's bytes; of a chunk,
 * that of the bytes before its trailer, which is what the trailer says (with its own trailer, the CRC32C of any
 * bytes at all is the same constant, and would prove nothing).
 */
export interface ManifestEntry {
  /** Relative to the group. */
  readonly path: string;
  readonly bytes: number;
  /** Eight hexadecimal digits. */
  readonly crc32c: string;
}

const entrySchema = z.strictObject({
  path: z.string().refine(isKey, { message: 'is no valid path' }),
  bytes: z
    .int()
    .nonnegative()
    .max(MAX_ARRAY_BYTES + TRAILER_BYTES),
  crc32c: z.string().regex(/^[0-9a-f]{8}$/),
});

/** A manifest: every path once. */
export const manifestSchema = z
  .array(entrySchema)
  .max(MAX_MANIFEST_OBJECTS)
  .refine((entries) => new Set(entries.map(({ path }) => path)).size === entries.length, {
    message: 'an object is listed twice',
  });

/** Entries in the order in which a manifest lists them. */
export function sortedEntries(entries: Iterable<ManifestEntry>): ManifestEntry[] {
  return [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The entry of a small object. */
export function entryOf(path: string, bytes: Uint8Array): ManifestEntry {
  return { path, bytes: bytes.byteLength, crc32c: hexOf(checksum(bytes)) };
}

/** Whether two entries say the same of an object. */
export function sameEntry(a: ManifestEntry, b: ManifestEntry): boolean {
  return a.path === b.path && a.bytes === b.bytes && a.crc32c === b.crc32c;
}

/** True for the object of an array's chunk, whose last four bytes are a trailer. */
export function isChunk(path: string): boolean {
  return /(^|\/)c(\/0)*$/.test(path);
}

/** What is wrong with a stored object, compared with its manifest. */
export interface Fault {
  readonly problem: 'missing' | 'size' | 'checksum';
  readonly message: string;
}

/** Compares a stored object with its entry, reading all of it in bounded memory. */
export async function faultOfObject(
  store: ObjectStore,
  key: string,
  entry: ManifestEntry,
  signal?: AbortSignal,
): Promise<Fault | undefined> {
  const source = await store.open(key);
  if (source === undefined) return { problem: 'missing', message: 'is missing' };
  try {
    const { size } = source;
    if (size !== entry.bytes) {
      return { problem: 'size', message: `has ${size} bytes instead of ${entry.bytes}` };
    }
    const chunk = isChunk(entry.path) && size >= TRAILER_BYTES;
    const length = chunk ? size - TRAILER_BYTES : size;
    const crc = await sumObject(source, length, signal);
    const trailer = new Uint8Array(TRAILER_BYTES);
    const trailed = !chunk || ((await source.readInto(length, trailer)) && crcOfTrailer(trailer) === crc);
    if (crc !== undefined && trailed && hexOf(crc) === entry.crc32c) return undefined;
    return { problem: 'checksum', message: 'is damaged: its checksum does not match' };
  } finally {
    await source.close();
  }
}
