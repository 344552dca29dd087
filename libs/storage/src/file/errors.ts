import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError, isEsparseError, messageOf, toEsparseError } from '@esparse/errors';
import { codeOf } from '../error-code.ts';

/** True where a path, or a folder on the way to it, does not exist. */
export function isAbsent(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/**
 * Runs a file operation and reports its failure as an EsparseError that says what was tried, and on what.
 *
 * @param bytes that the operation writes, for the message of a full disk @default not said
 */
export async function onFile<T>(
  action: string,
  file: string,
  operation: () => Promise<T>,
  bytes?: () => number,
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (isEsparseError(error)) throw error;
    const code = codeOf(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw await spaceError(action, file, error, bytes?.());
    const known = toEsparseError(error);
    throw known.kind === 'internal' ? fileError(action, file, error) : known;
  }
}

/** What the system's codes mean, and what to do. */
const KNOWN: Readonly<Record<string, { readonly why: string; readonly hint: string }>> = {
  EROFS: {
    why: 'its file system is read-only',
    hint: 'a system makes one read-only after errors of its disk: look into its log; then mount it for writing again, or choose another place',
  },
  EACCES: {
    why: 'permission denied',
    hint: 'check its permissions and those of the folders above it',
  },
  EPERM: {
    why: 'the system does not permit it',
    hint: 'check its permissions and those of the folders above it',
  },
  ENOTDIR: {
    why: 'a file is in the place of one of its folders',
    hint: 'remove that file, or choose another place',
  },
};

function fileError(action: string, file: string, error: unknown): EsparseError {
  const known = KNOWN[codeOf(error) ?? ''];
  return new EsparseError('store', `cannot ${action} ${file}: ${known?.why ?? messageOf(error)}`, {
    cause: error,
    hint: known?.hint,
  });
}

/** A full disk, or a quota: what was written, and how much room there is. */
async function spaceError(
  action: string,
  file: string,
  cause: unknown,
  bytes: number | undefined,
): Promise<EsparseError> {
  const what = codeOf(cause) === 'EDQUOT' ? 'the quota is used up' : 'no space left on the device';
  const free = await freeBytes(path.dirname(file));
  const facts = [
    ...(bytes === undefined ? [] : [`${bytes} bytes are needed`]),
    ...(free === undefined ? [] : [`${free} bytes are free`]),
  ];
  const room = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  return new EsparseError('space', `cannot ${action} ${file}: ${what}${room}`, {
    cause,
    hint: 'free some space, or choose another place; what is committed stays, and the same command goes on from it',
  });
}

/**
 * Bytes that can still be written where a folder is, or is going to be; undefined where the system does not say.
 * Quotas are not seen.
 */
export async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(folder);
    // Some network file systems have no idea of their size, and say nothing but zeros.
    return blocks === 0 ? undefined : bavail * bsize;
  } catch (error) {
    const above = path.dirname(folder);
    return codeOf(error) === 'ENOENT' && above !== folder ? freeBytes(above) : undefined;
  }
}
