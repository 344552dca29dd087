/**
 * Where models and stores are: folders, S3 and HTTP servers, by the text of their location. Files of a folder are read by
 * range; objects are read, written and locked. A scheme is one implementation of `Scheme` and its registration.
 */
export { allocate } from './allocate.ts';
export {
  bytesInParts,
  writeInParts,
  type FilePart,
  type WriteInPartsOptions,
} from './file/write-in-parts.ts';
export { freeBytes, onFile } from './file/errors.ts';
export { makeFolders } from './file/make-folders.ts';
export { forEachBounded } from './bounded.ts';
export { isPlainName, type ByteFolder, type ByteSource, type Piece } from './byte-source.ts';
export { throwIfCancelled } from './cancel.ts';
export { checkKey, folderOf, isKey, joinKey, OWN_PREFIX } from './key.ts';
export { nameOfLocation, parseLocation, resolveLocation, showLocation } from './location.ts';
export { MemoryObjectStore } from './memory-object-store.ts';
export { ObjectStore, type PutOptions, type Temporary } from './object-store.ts';
export { openFolder, openObjects } from './open.ts';
export { registerScheme } from './registry.ts';
export type { Location, Refuse, Scheme } from './scheme.ts';
export type { WriterLease } from './writer-lease.ts';
