import { GetObjectCommand, HeadObjectCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { EsparseError } from '@esparse/errors';
import { isAbsent, s3Error } from './errors.ts';
import { optionsOf, send, type BucketConnection } from './bucket-connection.ts';

/** A small object as it is now. */
export interface Inspected {
  readonly bytes: Uint8Array;
  readonly etag: string;
  /** Seconds since it was written, by the clock of the server alone; undefined where it does not say the time. */
  readonly age: number | undefined;
}

/** Longest object that is inspected: a lease has some hundred bytes. */
const MAX_INSPECTED_BYTES = 64 * 1024;

/** What a server says of an object without its bytes; undefined where there is none, or no such bucket. */
export async function headOf(
  connection: BucketConnection,
  key: string,
  signal?: AbortSignal,
): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await send(connection, new HeadObjectCommand({ Bucket: connection.bucket, Key: key }), signal);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw s3Error('read', key, connection, error);
  }
}

/** A small object, its ETag and its age; undefined where there is none. */
export async function inspect(
  connection: BucketConnection,
  key: string,
  signal?: AbortSignal,
): Promise<Inspected | undefined> {
  const command = new GetObjectCommand({ Bucket: connection.bucket, Key: key });
  const date = noteDate(command);
  try {
    // The gate is passed once the body has come, too.
    return await connection.gate(async () => {
      const found = await connection.client.send(command, optionsOf(signal));
      if ((found.ContentLength ?? 0) > MAX_INSPECTED_BYTES) {
        throw new EsparseError('store', `s3://${connection.bucket}/${key} is too large for what it is`);
      }
      const bytes = (await found.Body?.transformToByteArray()) ?? new Uint8Array(0);
      return { bytes, etag: found.ETag ?? '', age: secondsBetween(found.LastModified, date()) };
    });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw s3Error('read', key, connection, error);
  }
}

/** Notes what the server says the time is, in the answer to a command. */
function noteDate(command: GetObjectCommand): () => string | undefined {
  let date: string | undefined;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      date = (result.response as { headers?: Record<string, string> }).headers?.date;
      return result;
    },
    { step: 'deserialize', priority: 'low' },
  );
  return () => date;
}

/** Seconds from a time of writing to the time of an answer, where both are known. */
export function secondsBetween(written: Date | undefined, answered: string | undefined): number | undefined {
  const age = (Date.parse(answered ?? '') - (written?.getTime() ?? Number.NaN)) / 1000;
  return Number.isNaN(age) ? undefined : age;
}
