import { EsparseError } from '@esparse/errors';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { forEachBounded } from '../bounded.ts';
import { checkKey } from '../key.ts';
import { isAbsent } from './errors.ts';
import { makeFolder, makeFolders, syncFolder } from './make-folders.ts';

/** Folders that are flushed at once: file systems write what they are asked for meanwhile in one go. */
const FLUSHES_AT_ONCE = 4;

/**
 * The folders of a file store. A store may have been made by someone else, so a symbolic link in it that leads
 * out of the store is never followed, neither to read nor to write.
 */
export class Folders {
  readonly root: string;
  #realRoot: string | undefined;

  constructor(root: string) {
    this.root = path.resolve(root);
  }

  /** The path of a key or folder ('' for the root). */
  pathOf(key: string): string {
    return key === '' ? this.root : path.join(this.root, checkKey(key));
  }

  /** The path with symbolic links resolved, or undefined where there is nothing. */
  async locate(file: string): Promise<string | undefined> {
    try {
      return await this.#inside(file);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Makes a folder and those above it, up to the root. */
  async ensure(folder: string): Promise<void> {
    if ((await this.locate(folder)) !== undefined) return;
    if (folder === this.root) {
      await makeFolders(folder);
      return;
    }
    await this.ensure(path.dirname(folder));
    await makeFolder(folder);
    await this.#inside(folder);
  }

  /** Flushes these folders, and those above them up to the root, to the device. */
  async sync(folders: readonly string[]): Promise<void> {
    const all = new Set<string>();
    for (const key of folders) {
      for (let folder = this.pathOf(key); ; folder = path.dirname(folder)) {
        all.add(folder);
        if (folder === this.root) break;
      }
    }
    // The deepest first: a name is durable only after what it names. Those of one depth wait for the device together.
    const depths = new Map<number, string[]>();
    for (const folder of all) {
      const depth = folder.split(path.sep).length;
      depths.set(depth, [...(depths.get(depth) ?? []), folder]);
    }
    for (const [, together] of [...depths].sort(([a], [b]) => b - a)) {
      await forEachBounded(together.length, FLUSHES_AT_ONCE, (i) => syncFolder(together[i]!));
    }
  }

  async #inside(file: string): Promise<string> {
    this.#realRoot ??= await requireFolder(await realpath(this.root), this.root);
    const real = await realpath(file);
    if (real === this.#realRoot || real.startsWith(this.#realRoot + path.sep)) return real;
    throw new EsparseError('store', `${file} is a link that leads out of the store, to ${real}`, {
      hint: 'copy what it points to into the store',
    });
  }
}

/** @returns the folder itself @throws EsparseError 'store' where it is something else, such as a file */
async function requireFolder(real: string, shown: string): Promise<string> {
  if ((await stat(real)).isDirectory()) return real;
  throw new EsparseError('store', `${shown} is a file, and a store is a folder`, {
    hint: 'name the folder of the store, or one that is empty or not there yet',
  });
}
