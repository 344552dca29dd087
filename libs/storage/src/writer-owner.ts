import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { codeOf } from './error-code.ts';

/** Who writes a store. */
export const ownerSchema = z.object({
  pid: z.int().positive(),
  host: z.string().max(255),
  since: z.iso.datetime(),
});
export type Owner = z.infer<typeof ownerSchema>;

export function thisProcess(): Owner {
  return { pid: process.pid, host: hostname(), since: new Date().toISOString() };
}

/** True only where the owner certainly is no longer running. */
export async function isDead(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return false;
  // A restarted container has the same host name and process number: only the start time distinguishes them.
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
    // Not Linux, or the process has just ended: taken for alive, and tried again.
    return false;
  }
}

/**
 * This boot of this machine and this set of process numbers; '' where the system does not say. Host names are not enough:
 * hosts that share a bucket may share a name, and containers share a machine.
 */
export async function thisMachine(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()}/${await readlink('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** The error for a second writer. @param place a store, or where an export goes @param seconds after which the lock of a dead process expires */
export function lockedError(place: string, owner: Owner | undefined, seconds: number): EsparseError {
  const who =
    owner === undefined
      ? 'another process'
      : `process ${owner.pid} on host ${owner.host}, since ${owner.since}`;
  return new EsparseError('locked', `${place} is being written by ${who}`, {
    hint: `wait until it ends, or choose another place; a dead process's lock expires after ${seconds} s`,
    context: { ...(owner && { pid: owner.pid, host: owner.host, since: owner.since }) },
  });
}
