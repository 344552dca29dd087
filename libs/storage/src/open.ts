import { EsparseError } from '@esparse/errors';
import { isPlainName, type ByteFolder } from './byte-source.ts';
import { parseLocation, showLocation } from './location.ts';
import type { ObjectStore } from './object-store.ts';
import { registeredSchemes } from './registry.ts';

/**
 * The files directly at a location, to be read by range. Nothing is asked of it yet.
 *
 * @throws EsparseError 'usage' for a text that is no location; 'store' where a file is opened by what is no plain name
 */
export async function openFolder(text: string): Promise<ByteFolder> {
  const folder = await parseLocation(text).openFolder();
  const { fileOf } = folder;
  return {
    // Some say more of it once something was opened.
    get location() {
      return folder.location;
    },
    ...(fileOf && { fileOf }),
    async open(name, signal) {
      if (isPlainName(name)) return folder.open(name, signal);
      throw new EsparseError('store', `${folder.location}: ${JSON.stringify(name)} is not a plain file name`);
    },
  };
}

/**
 * The objects below a location, to be read and written. Nothing is asked of it yet.
 *
 * @throws EsparseError 'usage' for a text that is no location, and for one where nothing can be written
 */
export async function openObjects(text: string): Promise<ObjectStore> {
  const location = parseLocation(text);
  if (location.openObjects !== undefined) return location.openObjects();
  const forms = registeredSchemes().filter(({ writable }) => writable);
  throw new EsparseError(
    'usage',
    `${showLocation(location.text)} cannot be a store: it could not be written`,
    {
      hint: `a store is ${forms.map(({ form }) => form).join(' or ')}`,
    },
  );
}
