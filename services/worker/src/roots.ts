import { EsparseError } from '@esparse/errors';
import { parseLocation, showLocation, type Location } from '@esparse/storage';
import { MAX_NAME_LENGTH } from '@esparse/protocol';

/** Resolves a location that came over the wire, or refuses it. */
export type PathGuard = (kind: 'model' | 'store', requested: string) => Promise<string>;

/**
 * Guards what a worker opens: a location from the wire is hostile, and is opened only below one of the roots. Of a path
 * it is the real one (symbolic links followed) that must lie there; what does not exist is refused with the same words
 * as what is not served, so that a client learns nothing of other paths. Of a bucket or server nothing is asked before
 * it is known to lie below a root.
 */
export async function guardRoots(roots: readonly string[]): Promise<PathGuard> {
  const resolved = await Promise.all(roots.map(resolveRoot));
  return async (kind, requested) => {
    const denied = (cause?: unknown) =>
      new EsparseError(
        'denied',
        `this worker does not serve the ${kind} ${showLocation(requested).slice(0, 200)}`,
        {
          hint: `start the worker with --root ROOT, where ROOT holds the ${kind}`,
          cause,
        },
      );
    if (requested.length > MAX_NAME_LENGTH || requested.includes('\0')) throw denied();
    const location = await resolveRequested(requested).catch((cause: unknown) => {
      throw denied(cause);
    });
    if (!resolved.some((root) => root.contains(location))) throw denied();
    return location.text;
  };
}

async function resolveRoot(root: string): Promise<Location> {
  const location = parseLocation(root);
  try {
    return await location.resolve();
  } catch (cause) {
    throw new EsparseError('usage', `--root ${root} does not exist`, { cause });
  }
}

async function resolveRequested(requested: string): Promise<Location> {
  const location = parseLocation(requested);
  if (!location.absolute) throw new EsparseError('usage', 'the path is relative');
  return location.resolve();
}
