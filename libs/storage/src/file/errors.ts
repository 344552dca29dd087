import { EsparseError, isEsparseError, messageOf, toEsparseError } from '@esparse/errors';
import { codeOf } from '../error-code.ts';

/** True where a path, or a folder on the way to it, does not exist. */
export function isAbsent(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Runs a file operation and reports its failure as an EsparseError that says what was tried, and on what. */
export async function onFile<T>(action: string, path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw fileError(action, path, error);
  }
}

function fileError(action: string, path: string, error: unknown): EsparseError {
  if (isEsparseError(error)) return error;
  const known = toEsparseError(error);
  if (known.kind !== 'internal') return known;
  const code = codeOf(error);
  const denied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new EsparseError('store', `cannot ${action} ${path}: ${messageOf(error)}`, {
    cause: error,
    hint: denied ? 'check its permissions and those of the folders above it' : undefined,
  });
}
