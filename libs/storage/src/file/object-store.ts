import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { isKey, joinKey, OWN_PREFIX } from '../key.ts';
import type { ByteSource } from '../byte-source.ts';
import { totalOf } from '../parts.ts';
import { ObjectStore, type PutOptions, type Temporary } from '../object-store.ts';
import type { WriterLease } from '../writer-lease.ts';
import { freeBytes, isAbsent, onFile } from './errors.ts';
import { openFile, writeFully } from './handle.ts';
import { Folders } from './folders.ts';
import { lockWriter } from './lock.ts';

const TEMPORARY = `${OWN_PREFIX}tmp-`;

/**
 * Objects as files below a folder, which is made when the first object is put. An object is written to a
 * temporary file beside it and renamed, so it is there as a whole or not at all.
 *
 * @param root the folder, absolute or relative to the working directory
 */
export function fileObjectStore(root: string): ObjectStore {
  return new FileObjectStore(root);
}

class FileObjectStore extends ObjectStore {
  readonly #folders: Folders;

  constructor(root: string) {
    super();
    this.#folders = new Folders(root);
  }

  async open(key: string): Promise<ByteSource | undefined> {
    const file = this.fileOf(key);
    return onFile('read', file, async () => {
      const real = await this.#folders.locate(file);
      return real === undefined ? undefined : openFile(real);
    });
  }

  async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<void> {
    const file = this.fileOf(key);
    const write = async (): Promise<void> => {
      const folder = path.dirname(file);
      await this.#folders.ensure(folder);
      const temporary = path.join(folder, TEMPORARY + randomUUID());
      try {
        await writeNew(temporary, parts, options.durable ?? false);
        await rename(temporary, file);
      } catch (error) {
        // What failed is what counts: on a disk that has become read-only the removal fails as well.
        await rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      }
    };
    await onFile('write', file, write, () => totalOf(parts));
  }

  async *list(folder: string): AsyncGenerator<string> {
    for (const entry of await this.#entries(this.#folders.pathOf(folder))) {
      const key = joinKey(folder, entry.name);
      if (!entry.isDirectory()) yield key;
      // What has no valid name is no folder of ours: it is named, and not entered.
      else if (isKey(entry.name)) yield* this.list(key);
      else yield `${key}/`;
    }
  }

  override async children(folder: string): Promise<string[]> {
    return (await this.#entries(this.#folders.pathOf(folder))).map((entry) => entry.name);
  }

  async delete(key: string): Promise<void> {
    const file = this.fileOf(key);
    await this.#remove(file, () => rm(file, { force: true }));
  }

  override async deletePrefix(folder: string): Promise<void> {
    if (folder === '') throw new EsparseError('internal', 'a whole store is never removed');
    const directory = this.fileOf(folder);
    await this.#remove(directory, () => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  }

  override async written(key: string): Promise<Date | undefined> {
    const file = this.fileOf(key);
    return onFile('read', file, async () => {
      const real = await this.#folders.locate(file);
      return real === undefined ? undefined : (await stat(real)).mtime;
    });
  }

  override async sync(folders: readonly string[]): Promise<void> {
    await onFile('flush', this.describe(), () => this.#folders.sync(folders));
  }

  override async cleanUp(folder: string): Promise<void> {
    const directory = this.#folders.pathOf(folder);
    await onFile('clean', directory, async () => {
      for (const entry of await readFolder(this.#folders, directory)) {
        if (entry.name.startsWith(TEMPORARY)) await rm(path.join(directory, entry.name), { force: true });
      }
    });
  }

  override async *temporaries(remove: boolean): AsyncGenerator<Temporary> {
    const { root } = this.#folders;
    const folders = [root];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const entry of await readFolder(this.#folders, folder)) {
        const place = path.join(folder, entry.name);
        // A folder of a valid name is one of ours; links are no folders here.
        if (entry.isDirectory() && isKey(entry.name)) folders.push(place);
        if (!entry.isFile() || !entry.name.startsWith(TEMPORARY)) continue;
        const { size: bytes } = await onFile('clean', place, () => stat(place));
        if (remove) await onFile('clean', place, () => rm(place, { force: true }));
        yield { object: path.relative(root, place), bytes };
      }
    }
  }

  override async lock(): Promise<WriterLease> {
    const { root } = this.#folders;
    return onFile('lock', root, async () => {
      await this.#folders.ensure(root);
      return lockWriter(root);
    });
  }

  override fileOf(key: string): string {
    return this.#folders.pathOf(key);
  }

  override free(): Promise<number | undefined> {
    return freeBytes(this.#folders.root);
  }

  describe(): string {
    return this.#folders.root;
  }

  /** What is not there need not be removed. */
  async #remove(file: string, remove: () => Promise<void>): Promise<void> {
    await onFile('remove', file, async () => {
      if ((await this.#folders.locate(path.dirname(file))) === undefined) return;
      await remove().catch((error: unknown) => {
        if (!isAbsent(error)) throw error;
      });
    });
  }

  async #entries(directory: string) {
    const entries = await onFile('list', directory, () => readFolder(this.#folders, directory));
    return entries.filter((entry) => !entry.name.startsWith(OWN_PREFIX));
  }
}

async function writeNew(file: string, parts: readonly Uint8Array[], durable: boolean): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    for (const part of parts) await writeFully(handle, part);
    if (durable) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The entries of a folder in the order of their names; none where there is no such folder. */
async function readFolder(folders: Folders, directory: string) {
  if ((await folders.locate(directory)) === undefined) return [];
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
