import { randomUUID } from 'node:crypto';
import { isEsparseError } from '@esparse/errors';
import type { Bucket } from './bucket.ts';

/**
 * Whether a server keeps to conditions on writes, tried out on an object of its own: a second creation and a change of
 * another version must both be refused. A server that does not know the conditions may also refuse them all.
 *
 * @param prefix what the key of that object begins with; it is removed again
 */
export async function honoursConditions(
  bucket: Bucket,
  prefix: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const key = prefix + randomUUID();
  const bytes = new Uint8Array([1]);
  try {
    const etag = await bucket.putIf(key, bytes, undefined, signal);
    if (etag === undefined || etag === '') return false;
    if ((await bucket.putIf(key, bytes, undefined, signal)) !== undefined) return false;
    return (
      (await bucket.putIf(key, new Uint8Array([2]), '"0123456789abcdef0123456789abcdef"', signal)) ===
      undefined
    );
  } catch (error) {
    if (isEsparseError(error) && error.kind === 'store') return false;
    throw error;
  } finally {
    await bucket.delete([key], signal);
  }
}
