import { EsparseError } from '@esparse/errors';
import { parseLocation, showLocation } from './location.ts';
import { fileObjectStore } from './file/object-store.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * The objects at a location: of a folder, or of `s3://bucket/prefix`. Nothing is asked of it yet.
 *
 * @throws EsparseError 'usage' for a text that is neither
 */
export async function openObjects(location: string): Promise<ObjectStore> {
  const parsed = parseLocation(location);
  switch (parsed.kind) {
    case 'folder':
      return fileObjectStore(parsed.path);
    case 's3':
      // Loaded when it is wanted: a user of folders does not wait for an SDK.
      return (await import('./s3/object-store.ts')).s3ObjectStore(parsed);
    case 'http':
      throw new EsparseError('usage', `${showLocation(parsed)} cannot be a store: it could not be written`, {
        hint: 'a store is a folder or s3://BUCKET/PREFIX',
      });
  }
}
