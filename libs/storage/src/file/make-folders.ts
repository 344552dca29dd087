import { mkdir, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from '../error-code.ts';

/**
 * Makes a folder and those above it, durably, where they are not there yet. One by one: Node's own `recursive` never returns
 * where a file system allows no new folder, as /proc, and says of a read-only one that the folder is missing.
 */
export async function makeFolders(folder: string): Promise<void> {
  const above = path.dirname(folder);
  if (above !== folder && !(await exists(above))) await makeFolders(above);
  if (await makeFolder(folder)) await syncFolder(above);
}

async function exists(folder: string): Promise<boolean> {
  try {
    await stat(folder);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Makes a folder; false where there is something of that name. */
export async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  }
}

/** Flushes a folder to the device. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a folder: their metadata is written through.
    const code = codeOf(error);
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}
