import { EsparseError } from '@esparse/errors';

/** Letters of a name at most: it goes into lists, manifests and messages. */
const MAX_NAME = 64;

/**
 * Refuses a name or a version that no plug-in may have.
 *
 * @param kind what it is of, such as 'metric'
 * @throws EsparseError 'usage'
 */
export function checkPlugin(kind: string, name: unknown, version: unknown): void {
  // Plug-ins come from plain JavaScript, too: their types are a promise only.
  if (typeof name !== 'string' || name.length > MAX_NAME || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    throw new EsparseError(
      'usage',
      `a ${kind} is called ${typeof name === 'string' ? JSON.stringify(name) : 'nothing'}`,
      {
        hint: `name it in lower-case words joined by dashes, at most ${MAX_NAME} letters`,
      },
    );
  }
  if (!Number.isSafeInteger(version) || Number(version) < 1) {
    throw new EsparseError('usage', `${kind} ${name} has the version ${String(version)}`, {
      hint: 'versions are whole numbers from 1',
    });
  }
}
