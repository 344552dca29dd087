import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import type { ByteFolder } from '../byte-source.ts';
import { isAbsent, onFile } from './errors.ts';
import { openFile } from './handle.ts';

/**
 * A folder of the local file system, which may have been made by someone else: a symbolic link in it that leads out of it is
 * not followed. Within the cache of `huggingface_hub` files are links from a snapshot of a model to its blobs, so there the
 * folder of the model is the border.
 */
export function localFolder(directory: string): ByteFolder {
  return {
    location: directory,
    fileOf: (name) => path.join(directory, name),
    async open(name) {
      const file = path.join(directory, name);
      return onFile('read', file, () => openWithin(directory, file).catch(unlessAbsent));
    },
  };
}

async function openWithin(directory: string, file: string) {
  const real = await realpath(file);
  const border = borderOf(await realpath(directory));
  if (real.startsWith(border.endsWith(path.sep) ? border : border + path.sep)) return openFile(real);
  throw new EsparseError('store', `${file} is a link that leads out of its folder, to ${real}`, {
    hint: 'copy what it points to into the folder, or name the folder that it lies in',
  });
}

/** The folder that links may not leave. */
function borderOf(directory: string): string {
  const snapshots = path.dirname(directory);
  const model = path.dirname(snapshots);
  const isCached = path.basename(snapshots) === 'snapshots' && path.basename(model).startsWith('models--');
  return isCached ? model : directory;
}

function unlessAbsent(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
}
