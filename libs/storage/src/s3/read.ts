import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { setTimeout } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import type { ByteSource } from '../byte-source.ts';
import { withoutSecrets } from '../secrets.ts';
import { isBroken, isCode, isConditionFailed, s3Error } from './errors.ts';
import { BODY_PAUSE_MS, PREFETCH_BYTES } from './limits.ts';
import { optionsOf, type BucketConnection } from './bucket-connection.ts';

/** Opens an object by fetching its first bytes: a small one needs no second request. */
export async function openS3Object(
  connection: BucketConnection,
  key: string,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const { first, size, etag } = await fetchFirst(connection, key, signal);
  return {
    size,
    async readInto(offset, target, abort) {
      if (offset + target.byteLength > size) return false;
      const known = first.subarray(offset, offset + target.byteLength);
      target.set(known);
      const rest = target.subarray(known.byteLength);
      if (rest.byteLength > 0)
        await readRange(connection, key, { etag, size, from: offset + known.byteLength }, rest, abort);
      return true;
    },
    // Each read is a request of its own: nothing stays open between them.
    close: () => Promise.resolve(),
  };
}

async function fetchFirst(connection: BucketConnection, key: string, signal?: AbortSignal) {
  const ask = () => get(connection, key, { Range: `bytes=0-${PREFETCH_BYTES - 1}` }, signal);
  try {
    return await untilWhole(connection, signal, ask, async (answer) => {
      const range = /^bytes 0-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '');
      if (range === null || Number(range[1]) >= PREFETCH_BYTES) throw ignoresRanges(connection, key, answer);
      const first = new Uint8Array(Number(range[1]) + 1);
      await drain(answer, first, signal);
      return { first, size: Number(range[2]), etag: answer.ETag ?? '' };
    });
  } catch (error) {
    // What has no bytes has no range of them, either.
    if (isCode(error, 'InvalidRange')) return { first: new Uint8Array(0), size: 0, etag: '' };
    throw error;
  }
}

/** Reads a range into memory; a body that breaks off is asked for again from there. */
async function readRange(
  connection: BucketConnection,
  key: string,
  { etag, size, from }: { readonly etag: string; readonly size: number; readonly from: number },
  target: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const end = from + target.byteLength - 1;
  const progress = { done: 0 };
  const rangeLeft = () => `${from + progress.done}-${end}`;
  const condition = etag === '' ? {} : { IfMatch: etag };
  const ask = () => get(connection, key, { Range: `bytes=${rangeLeft()}`, ...condition }, signal);
  try {
    await untilWhole(connection, signal, ask, async (answer) => {
      // Servers that ignore the condition still name the version.
      if (answer.ETag !== undefined && answer.ETag !== etag) throw replaced(connection, key, answer);
      if (answer.ContentRange !== `bytes ${rangeLeft()}/${size}`)
        throw ignoresRanges(connection, key, answer);
      await drain(answer, target, signal, progress);
    });
  } catch (error) {
    throw isConditionFailed(error) ? replaced(connection, key) : s3Error('read', key, connection, error);
  }
}

/**
 * Asks for an object, and again while its body breaks off. A request that fails before its body comes is not asked for
 * again: the SDK has done so as often as it may, and tries of tries would multiply.
 */
async function untilWhole<T>(
  { gate, attempts }: BucketConnection,
  signal: AbortSignal | undefined,
  ask: () => Promise<GetObjectCommandOutput>,
  use: (answer: GetObjectCommandOutput) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let answered = false as boolean;
    try {
      return await gate(async () => {
        const answer = await ask();
        answered = true;
        return use(answer);
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (!answered || !isBroken(error) || attempt >= attempts) throw error;
      await setTimeout(BODY_PAUSE_MS * 2 ** (attempt - 1), undefined, signal === undefined ? {} : { signal });
    }
  }
}

function get(
  { client, bucket: Bucket }: BucketConnection,
  Key: string,
  input: { Range: string; IfMatch?: string },
  signal?: AbortSignal,
): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({ Bucket, Key, ...input });
  return client.send(command, optionsOf(signal));
}

/** Reads a body to its end into memory, from `progress.done` on. */
async function drain(
  { Body }: GetObjectCommandOutput,
  target: Uint8Array,
  signal: AbortSignal | undefined,
  progress = { done: 0 },
): Promise<void> {
  try {
    for await (const chunk of Body as AsyncIterable<Uint8Array>) {
      signal?.throwIfAborted();
      if (progress.done + chunk.byteLength > target.byteLength)
        throw new EsparseError('store', 'S3 sent more than was asked for');
      target.set(chunk, progress.done);
      progress.done += chunk.byteLength;
    }
  } catch (error) {
    // A connection that breaks behind the last byte has done its work.
    if (progress.done < target.byteLength || !isBroken(error)) throw error;
  }
  if (progress.done < target.byteLength) {
    throw Object.assign(new Error('the body ended early'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
  }
}

function replaced({ bucket }: BucketConnection, key: string, answer?: GetObjectCommandOutput): EsparseError {
  dismiss(answer);
  return new EsparseError('store', `s3://${bucket}/${key} was replaced while it was read`);
}

function ignoresRanges(
  connection: BucketConnection,
  key: string,
  answer: GetObjectCommandOutput,
): EsparseError {
  dismiss(answer);
  return new EsparseError(
    'unsupported',
    `${withoutSecrets(connection.endpoint)} answers another range of s3://${connection.bucket}/${key} than was asked for (${answer.ContentRange ?? 'all of it'})`,
    { hint: 'a server between does not keep to ranges: address S3 itself' },
  );
}

/** A body that is not wanted is not read to its end: it may be of any length. */
function dismiss(answer: GetObjectCommandOutput | undefined): void {
  (answer?.Body as { destroy?: () => void } | undefined)?.destroy?.();
}
