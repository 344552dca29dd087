import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { MAX_NAME_LENGTH } from '@esparse/protocol';

/** Resolves a path that came over the wire, or refuses it. */
export type PathGuard = (kind: 'model' | 'store', requested: string) => Promise<string>;

/**
 * Guards a worker's file system: a path from the wire is hostile, and is opened only where its real path (symbolic
 * links followed) lies under one of the roots. What does not exist is refused with the same words as what is not
 * served, so that a client learns nothing of other paths.
 */
export async function guardRoots(roots: readonly string[]): Promise<PathGuard> {
  const real = await Promise.all(
    roots.map(async (root) => {
      try {
        return await realpath(root);
      } catch (cause) {
        throw new EsparseError('usage', `--root ${root} does not exist`, { cause });
      }
    }),
  );
  return async (kind, requested) => {
    const denied = (cause?: unknown) =>
      new EsparseError('denied', `this worker does not serve the ${kind} ${requested.slice(0, 200)}`, {
        hint: `start the worker with --root DIR, where DIR holds the ${kind}`,
        cause,
      });
    if (requested.length > MAX_NAME_LENGTH || requested.includes('\0') || !path.isAbsolute(requested))
      throw denied();
    const resolved = await realpath(requested).catch((cause: unknown) => {
      throw denied(cause);
    });
    if (!real.some((root) => isUnder(root, resolved))) throw denied();
    return resolved;
  };
}

function isUnder(root: string, file: string): boolean {
  const relative = path.relative(root, file);
  return relative === '' || (!relative.startsWith('..') && !path.isAbsolute(relative));
}
