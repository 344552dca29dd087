import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import { checksumLarge, hexOf, type ArrayInfo, type CommittedGroup } from '@esparse/store';
import type { ArraySource } from './store-arrays.ts';
import { beginUse, makeRoom, writeWhole } from './cache-folder.ts';

export interface CacheOptions {
  /** A folder on a local disk; made where there is none. */
  readonly directory: string;
  /** The most bytes that the cache may hold. */
  readonly bytes: number;
  /** Compare what is in the cache already with its checksums. What is filled in is compared always. */
  readonly verify: boolean;
}

/**
 * Copies of a run's arrays on a local disk, for stores that cannot be mapped or should not be: each array is read once,
 * checked, and mapped from then on by every process of this machine.
 */
export async function cachedSource(fingerprint: string, options: CacheOptions): Promise<ArraySource> {
  const { directory, bytes: bound, verify } = options;
  const run = path.join(directory, fingerprint);
  const use = await beginUse(run);
  return {
    async file(group, folder, array) {
      const info = group.arrays.get(array);
      if (info?.crc32c === undefined)
        throw new EsparseError('store', `${folder}: array ${array} has no elements`);
      // Named by its checksum, too: other bytes are another file.
      const file = path.join(folder, `${array}.${info.crc32c}`);
      if (!(await isThere(path.join(run, file), info, verify))) {
        await makeRoom(directory, info.bytes, bound);
        const data = await elements(group, array);
        await writeWhole(run, file, data);
        free(data);
      }
      return path.join(run, file);
    },
    close: () => use.end(),
  };
}

/** Reads an array, its checksum compared. */
async function elements(group: CommittedGroup, array: string): Promise<Uint8Array> {
  const { data } = await group.read(array);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

async function isThere(file: string, { bytes, crc32c }: ArrayInfo, verify: boolean): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true || found.size !== bytes) return false;
  if (!verify) return true;
  const content = await readFile(file);
  const sum = hexOf(await checksumLarge(content));
  free(content);
  return sum === crc32c;
}
