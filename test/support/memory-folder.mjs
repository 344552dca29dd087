import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import path from 'node:path';

const GIB = 2 ** 30;
/** What the tests' files take at once, with room to spare: models, stores, an installation of the packages. */
const NEEDED_BYTES = 4 * GIB;
const PREFIX = 'esparse-jest-';

/**
 * A folder in memory for this process's temporary files, removed when it ends; undefined where the system has no place for
 * one that is large enough and from which programs may be run. A small prune flushes 800 times: on a disk that takes longer
 * than all else that it does.
 *
 * @param memory where the system mounts a file system in memory
 */
export function memoryFolder(memory = '/dev/shm') {
  if (!isUsable(memory)) return undefined;
  removeLeft(memory);
  const folder = path.join(memory, `${PREFIX}${process.pid}`);
  mkdirSync(folder, { recursive: true });
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function isUsable(memory) {
  try {
    const mount = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, place]) => place === memory);
    if (mount === undefined || mount[2] !== 'tmpfs' || /\b(noexec|ro)\b/.test(mount[3])) return false;
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize >= NEEDED_BYTES && freemem() >= 1.5 * NEEDED_BYTES;
  } catch {
    return false;
  }
}

/** Folders of processes that were killed. */
function removeLeft(memory) {
  for (const name of readdirSync(memory)) {
    const pid = Number(name.startsWith(PREFIX) ? name.slice(PREFIX.length) : NaN);
    if (Number.isInteger(pid) && !runs(pid))
      rmSync(path.join(memory, name), { recursive: true, force: true });
  }
}

function runs(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
