import { EsparseError, isEsparseError, messageOf, toEsparseError } from '@esparse/errors';

/** The error code of the operating system, such as 'ENOENT', or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

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
