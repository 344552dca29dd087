import { parseLocation } from './location.ts';
import type { ByteFolder } from './byte-source.ts';
import { localFolder } from './file/folder.ts';

/**
 * The files of a checkpoint by the text of its location: a folder, `s3://bucket/prefix`, or `https://host/path/`.
 * Nothing is asked of it yet.
 *
 * @throws EsparseError 'usage' for a text that is none of them
 */
export async function openFolder(location: string): Promise<ByteFolder> {
  const parsed = parseLocation(location);
  switch (parsed.kind) {
    case 'folder':
      return localFolder(parsed.path);
    // Loaded when they are wanted: a user of folders does not wait for them.
    case 's3':
      return (await import('./s3/folder.ts')).s3Folder(parsed);
    case 'http':
      return (await import('./http/folder.ts')).httpFolder(parsed);
  }
}
