import { randomUUID } from 'node:crypto';
import { DeleteObjectCommand, DeleteObjectsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { EsparseError } from '@esparse/errors';
import { isAbsent, isCode, isConditionFailed, s3Error } from './errors.ts';
import { headOf } from './inspect.ts';
import { CONFLICT_ATTEMPTS, MAX_DELETE_KEYS, PART_BYTES } from './limits.ts';
import { putInParts } from './multipart.ts';
import { joined, totalOf } from '../parts.ts';
import { send, type BucketConnection } from './bucket-connection.ts';

/** Writes an object, whole or not at all; large ones in parts. `parts` are written one after the other. */
export async function putObject(
  connection: BucketConnection,
  key: string,
  parts: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  try {
    if (totalOf(parts) > PART_BYTES) await putInParts(connection, key, parts, signal);
    else {
      const input = { Bucket: connection.bucket, Key: key, Body: joined(parts) };
      await send(connection, new PutObjectCommand(input), signal);
    }
  } catch (error) {
    throw s3Error('write', key, connection, error);
  }
}

/**
 * Writes a small object only where it is still in the version that was seen, or absent.
 *
 * @param seen the ETag, undefined for none
 * @returns the new ETag; undefined where the condition did not hold. A server that ignores conditions writes always.
 */
export async function putObjectIf(
  connection: BucketConnection,
  key: string,
  bytes: Uint8Array,
  seen: string | undefined,
  signal?: AbortSignal,
): Promise<string | undefined> {
  // A write whose answer was lost is repeated, and finds its own work in the way: it knows it by this mark.
  const mark = randomUUID();
  const input = {
    Bucket: connection.bucket,
    Key: key,
    Body: bytes,
    Metadata: { 'esparse-write': mark },
    ...(seen === undefined ? { IfNoneMatch: '*' } : { IfMatch: seen }),
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return (await send(connection, new PutObjectCommand(input), signal)).ETag ?? '';
    } catch (error) {
      if (isCode(error, 'ConditionalRequestConflict') && attempt < CONFLICT_ATTEMPTS) continue;
      const refused = isConditionFailed(error) || (seen !== undefined && isAbsent(error));
      if (!refused) throw s3Error('write', key, connection, error);
      const found = await headOf(connection, key, signal);
      return found?.Metadata?.['esparse-write'] === mark ? found.ETag : undefined;
    }
  }
}

/** Removes objects, up to 1000 in a request; one that is not there is no error. */
export async function deleteObjects(
  connection: BucketConnection,
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const [only = ''] = keys;
  try {
    if (keys.length === 1) {
      await send(connection, new DeleteObjectCommand({ Bucket: connection.bucket, Key: only }), signal);
      return;
    }
    for (let from = 0; from < keys.length; from += MAX_DELETE_KEYS) {
      await deletePage(connection, keys.slice(from, from + MAX_DELETE_KEYS), signal);
    }
  } catch (error) {
    throw s3Error('remove', only, connection, error);
  }
}

async function deletePage(
  connection: BucketConnection,
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const Objects = keys.map((Key) => ({ Key }));
  const command = new DeleteObjectsCommand({ Bucket: connection.bucket, Delete: { Objects, Quiet: true } });
  const { Errors: [failed] = [] } = await send(connection, command, signal);
  if (failed === undefined) return;
  const why = failed.Message ?? failed.Code ?? '';
  throw new EsparseError('store', `cannot remove s3://${connection.bucket}/${failed.Key ?? ''}: ${why}`);
}
