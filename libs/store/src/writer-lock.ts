import { EsparseError } from '@esparse/errors';
import { readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { lock } from 'proper-lockfile';
import { z } from 'zod';
import { codeOf, isAbsent } from './file-error.ts';
import { OWN_PREFIX } from './key.ts';
import type { WriterLease } from './object-store.ts';

/** Age at which a lock of a process that we cannot see is taken over: six missed refreshes. */
const STALE_MS = 60_000;
const REFRESH_MS = 10_000;
/** The guard is held for milliseconds; a process killed in between holds others up for this long at most. */
const GUARD_STALE_MS = 5_000;
const GUARD_RETRIES = { retries: 80, minTimeout: 10, maxTimeout: 100 };

const ownerSchema = z.object({
  pid: z.int().positive(),
  host: z.string().max(255),
  since: z.iso.datetime(),
});
type Owner = z.infer<typeof ownerSchema>;

/**
 * Takes the lock of the one writer of a folder. A lock that a killed process of this host left is taken over at
 * once, any other when it has not been refreshed for a minute.
 *
 * @throws EsparseError 'locked' naming process, host and since when
 */
export async function lockWriter(root: string): Promise<WriterLease> {
  const lockPath = path.join(root, `${OWN_PREFIX}writer.lock`);
  const ownerPath = path.join(root, `${OWN_PREFIX}writer.json`);
  // All who want the lock queue here, so that nobody removes a dead process's lock twice.
  const releaseGuard = await takeGuard(root);
  try {
    const owner = await readOwner(ownerPath);
    if (owner !== undefined && (await isDead(owner))) await removeFolder(lockPath);
    const state: { lost: EsparseError | undefined } = { lost: undefined };
    const unlock = await take(lockPath, STALE_MS, REFRESH_MS, (cause) => {
      state.lost = new EsparseError('locked', `the writer's lock of ${root} was lost`, {
        hint: 'the machine was suspended or its clock jumped; run again to resume',
        cause,
      });
    }).catch((error: unknown) => {
      throw codeOf(error) === 'ELOCKED' ? lockedError(root, owner) : error;
    });
    try {
      await writeFile(ownerPath, `${JSON.stringify(thisProcess())}\n`);
    } catch (error) {
      await unlock();
      throw error;
    }
    return {
      get lost() {
        return state.lost;
      },
      async release() {
        if (state.lost !== undefined) return;
        await rm(ownerPath, { force: true });
        await unlock();
      },
    };
  } finally {
    await releaseGuard();
  }
}

async function takeGuard(root: string): Promise<() => Promise<void>> {
  const guard = path.join(root, `${OWN_PREFIX}writer.guard`);
  let lost = false;
  try {
    const release = await take(guard, GUARD_STALE_MS, GUARD_STALE_MS / 2, () => (lost = true), GUARD_RETRIES);
    return () => (lost ? Promise.resolve() : release());
  } catch (error) {
    throw codeOf(error) === 'ELOCKED' ? lockedError(root, undefined) : error;
  }
}

function take(
  lockfilePath: string,
  stale: number,
  update: number,
  onCompromised: (error: Error) => void,
  retries?: typeof GUARD_RETRIES,
): Promise<() => Promise<void>> {
  const options = { lockfilePath, stale, update, realpath: false, onCompromised };
  return lock(lockfilePath, retries === undefined ? options : { ...options, retries });
}

function thisProcess(): Owner {
  return { pid: process.pid, host: hostname(), since: new Date().toISOString() };
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // Missing, or half written by a process that was killed: its owner is unknown, its age still counts.
    return undefined;
  }
}

/** True only where the owner certainly is no longer running. */
async function isDead(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return false;
  // A restarted container has the same host name and process number: only the start time tells them apart.
  if (owner.pid === process.pid) return Date.parse(owner.since) < Date.now() - process.uptime() * 1000;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
  return isZombie(owner.pid);
}

/** A killed process whose parent never asks for it, as in a container without an init, keeps its number. */
async function isZombie(pid: number): Promise<boolean> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    // pid (name) state …: the name may hold anything, so the state is what follows the last bracket.
    return /^[ZX]/.test(status.slice(status.lastIndexOf(')') + 2));
  } catch {
    // Not Linux, or gone just now: taken for alive, and tried again.
    return false;
  }
}

async function removeFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

function lockedError(root: string, owner: Owner | undefined): EsparseError {
  const who =
    owner === undefined
      ? 'another process'
      : `process ${owner.pid} on host ${owner.host}, since ${owner.since}`;
  return new EsparseError('locked', `the store ${root} is being written by ${who}`, {
    hint: `wait until it ends, or choose another store; a dead process's lock expires after ${STALE_MS / 1000} s`,
    context: { store: root, ...owner },
  });
}
