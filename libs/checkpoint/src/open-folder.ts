import { EsparseError } from '@esparse/errors';
import { parseLocation, showLocation } from '@esparse/location';
import type { ByteFolder } from './byte-source.ts';
import { localFolder } from './local-folder.ts';

/**
 * The files of a checkpoint by the text of its location: a folder. Nothing is asked of it yet.
 *
 * @throws EsparseError 'usage' for a location that cannot be read
 */
export async function openFolder(location: string): Promise<ByteFolder> {
  const parsed = parseLocation(location);
  if (parsed.kind === 'folder') return Promise.resolve(localFolder(parsed.path));
  throw new EsparseError('unsupported', `${showLocation(parsed)}: only folders are read yet`);
}
