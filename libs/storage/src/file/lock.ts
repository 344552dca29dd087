import { EsparseError } from '@esparse/errors';
import { readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { lock } from 'proper-lockfile';
import { codeOf } from '../error-code.ts';
import { OWN_PREFIX } from '../key.ts';
import type { WriterLease } from '../writer-lease.ts';
import { isDead, lockedError, ownerSchema, thisProcess, type Owner } from '../writer-owner.ts';
import { isAbsent } from './errors.ts';

/** Age at which a lock of a process that we cannot see is taken over: six missed refreshes. */
const STALE_MS = 60_000;
const REFRESH_MS = 10_000;
/** The guard is held for milliseconds; a process killed in between holds others up for this long at most. */
const GUARD_STALE_MS = 5_000;
const GUARD_RETRIES = { retries: 80, minTimeout: 10, maxTimeout: 100 };

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
      throw codeOf(error) === 'ELOCKED' ? lockedError(root, owner, STALE_MS / 1000) : error;
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
        await rm(ownerPath, { force: true }).catch(() => undefined);
        await unlock().catch(() => undefined);
      },
    };
  } finally {
    // As the lock itself: one that cannot be removed expires.
    await releaseGuard().catch(() => undefined);
  }
}

async function takeGuard(root: string): Promise<() => Promise<void>> {
  const guard = path.join(root, `${OWN_PREFIX}writer.guard`);
  let lost = false;
  try {
    const release = await take(guard, GUARD_STALE_MS, GUARD_STALE_MS / 2, () => (lost = true), GUARD_RETRIES);
    return () => (lost ? Promise.resolve() : release());
  } catch (error) {
    throw codeOf(error) === 'ELOCKED' ? lockedError(root, undefined, STALE_MS / 1000) : error;
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

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // Missing, or half written by a process that was killed: its owner is unknown, its age still counts.
    return undefined;
  }
}

async function removeFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
