import path from 'node:path';
import type { ByteFolder } from '../byte-source.ts';
import { isAbsent, onFile } from './errors.ts';
import { openFile } from './handle.ts';

/** A folder of the local file system. Links are followed: the cache of `huggingface_hub` is made of them. */
export function localFolder(directory: string): ByteFolder {
  return {
    location: directory,
    fileOf: (name) => path.join(directory, name),
    async open(name) {
      const file = path.join(directory, name);
      return onFile('read', file, () => openFile(file).catch(unlessAbsent));
    },
  };
}

function unlessAbsent(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
}
