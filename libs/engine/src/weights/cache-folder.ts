import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { makeFolders, onFile } from '@esparse/storage';

/**
 * A folder of runs, `<fingerprint>/…`, that several processes fill, use and clear at the same time. Files appear whole, by
 * a rename. A process that uses a run has a file `.use-…` in it whose time is renewed every 10 s; without one that is
 * younger than 60 s a run may be removed, the longest unused first. (A process that has mapped a file keeps it when it
 * is removed.)
 */
const USE = '.use-';
const TEMPORARY = '.part-';
const REMOVED = '.removed-';
const RENEW_MS = 10_000;
const VOID_MS = 60_000;

/** Says that a run is used, until `end`. */
export interface Use {
  end(): Promise<void>;
}

/** Marks a run as used by this process. */
export async function beginUse(run: string): Promise<Use> {
  await onFile('make', run, () => makeFolders(run));
  const mark = path.join(run, `${USE}${process.pid}-${randomUUID()}`);
  await writeFile(mark, '');
  const renew = setInterval(() => {
    const now = new Date();
    // A mark that another process removed is no reason to stop serving.
    utimes(mark, now, now).catch(() => undefined);
  }, RENEW_MS);
  renew.unref();
  return {
    async end() {
      clearInterval(renew);
      const now = new Date();
      await utimes(run, now, now).catch(() => undefined);
      await rm(mark, { force: true });
    },
  };
}

/** Writes a file that appears whole or not at all, also after a crash. */
export async function writeWhole(run: string, file: string, bytes: Uint8Array): Promise<void> {
  const target = path.join(run, file);
  const temporary = path.join(run, `${TEMPORARY}${randomUUID()}`);
  await onFile('make', path.dirname(target), () => makeFolders(path.dirname(target)));
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fullOr(error, run);
  }
}

/** Reports a full disk as the cache's: the store has nothing to do with it. */
function fullOr(error: unknown, folder: string): unknown {
  if (toEsparseError(error).kind !== 'space') return error;
  return new EsparseError('space', `no space is left for copies of the weights in ${path.dirname(folder)}`, {
    hint: 'free some space, or name another folder with --cache-dir',
    cause: error,
  });
}

/** What a cached run takes. */
interface CachedRun {
  readonly folder: string;
  readonly bytes: number;
  readonly lastUse: number;
  readonly used: boolean;
}

/**
 * Removes runs that are not in use, the longest unused first, until so many more bytes fit below the bound.
 *
 * @returns the bytes that are left in the cache
 * @throws EsparseError 'space' where that is not enough
 */
export async function makeRoom(directory: string, wanted: number, bound: number): Promise<number> {
  const runs = await runsIn(directory);
  let total = runs.reduce((sum, { bytes }) => sum + bytes, 0);
  const unused = runs.filter(({ used }) => !used).sort((a, b) => a.lastUse - b.lastUse);
  for (const { folder, bytes } of unused) {
    if (total + wanted <= bound) break;
    // Renamed first, so that no process begins to use half a run.
    const removed = path.join(directory, `${REMOVED}${randomUUID()}`);
    if (
      await rename(folder, removed).then(
        () => true,
        () => false,
      )
    ) {
      await rm(removed, { recursive: true, force: true });
    }
    total -= bytes;
  }
  if (total + wanted <= bound) return total;
  throw new EsparseError(
    'space',
    `the cache ${directory} has no room for ${wanted} more bytes: runs in use hold ${total} of at most ${bound}`,
    { hint: 'allow it more bytes with --cache-size, or name another folder with --cache-dir' },
  );
}

async function runsIn(directory: string): Promise<CachedRun[]> {
  const runs: CachedRun[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const folder = path.join(directory, entry.name);
    if (entry.name.startsWith(REMOVED)) await rm(folder, { recursive: true, force: true });
    else if (entry.isDirectory()) runs.push(await measure(folder));
  }
  return runs;
}

async function measure(folder: string): Promise<CachedRun> {
  let bytes = 0;
  let used = false;
  const now = Date.now();
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) continue;
    const old = now - found.mtimeMs > VOID_MS;
    // What a crash left behind.
    if (old && (entry.name.startsWith(USE) || entry.name.startsWith(TEMPORARY)))
      await rm(file, { force: true });
    else bytes += found.size;
    if (!old && entry.name.startsWith(USE)) used = true;
  }
  const lastUse = (await stat(folder).catch(() => undefined))?.mtimeMs ?? 0;
  return { folder, bytes, lastUse, used };
}
