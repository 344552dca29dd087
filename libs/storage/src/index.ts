/**
 * Where models and stores are: folders, S3 and HTTP servers, by the text of their location. Files of a folder are read by
 * range; objects are read, written and locked.
 */
export { allocate } from './allocate.ts';
export { forEachBounded } from './bounded.ts';
export { isPlainName, readWhole, type ByteFolder, type ByteSource } from './byte-source.ts';
export { throwIfCancelled } from './cancel.ts';
export { localFolder } from './file/folder.ts';
export { fileObjectStore } from './file/object-store.ts';
export { checkKey, folderOf, isKey, joinKey } from './key.ts';
export {
  formatLocation,
  isWithin,
  nameOfLocation,
  parseLocation,
  resolveLocation,
  showLocation,
  type FolderLocation,
  type HttpLocation,
  type Location,
  type S3Location,
} from './location.ts';
export { MemoryObjectStore } from './memory-object-store.ts';
export type { ObjectHandle, ObjectStore, PutOptions, Temporary, WriterLease } from './object-store.ts';
export { openFolder } from './open-folder.ts';
export { openObjects } from './open-objects.ts';
