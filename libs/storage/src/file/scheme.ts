import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { Location, Scheme } from '../scheme.ts';
import { localFolder } from './folder.ts';
import { fileObjectStore } from './object-store.ts';

/** Folders of this machine, by their path: any text without a scheme is one. */
export const fileScheme: Scheme = {
  name: 'file',
  prefixes: [],
  form: 'a folder',
  writable: true,
  parse: folderAt,
  show: (text) => text,
};

function folderAt(text: string): Location {
  return {
    scheme: fileScheme.name,
    text,
    name: path.basename(path.resolve(text)),
    absolute: path.isAbsolute(text),
    contains: (other) => other.scheme === fileScheme.name && isBelow(text, other.text),
    resolve: async () => folderAt(await realpath(text)),
    openFolder: () => Promise.resolve(localFolder(text)),
    openObjects: () => Promise.resolve(fileObjectStore(text)),
  };
}

function isBelow(root: string, folder: string): boolean {
  const relative = path.relative(root, folder);
  return relative === '' || (relative.split(path.sep)[0] !== '..' && !path.isAbsolute(relative));
}
