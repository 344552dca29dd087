import { randomUUID } from 'node:crypto';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { EsparseError } from '@esparse/errors';
import type { S3Location } from '../location.ts';
import { connect } from './connect.ts';
import { isAbsent, isCode, isConditionFailed, s3Error } from './errors.ts';
import { CONFLICT_ATTEMPTS, MAX_DELETE_KEYS, PART_BYTES } from './limits.ts';
import { openUploads, putInParts, type Upload } from './multipart.ts';
import { joined, totalOf } from './parts.ts';
import { openS3Object, type S3Object } from './read.ts';

/** The objects below a prefix of a bucket; every key is relative to it. Errors are esparse errors. */
export interface Bucket {
  readonly location: S3Location;
  /** Opens one version of an object for reading; undefined where there is none. */
  open(key: string, signal?: AbortSignal): Promise<S3Object | undefined>;
  /** The size of an object in bytes; undefined where there is none. */
  size(key: string, signal?: AbortSignal): Promise<number | undefined>;
  /** A small object, what tells its version, and its age by the server's own clock. */
  inspect(key: string, signal?: AbortSignal): Promise<Inspected | undefined>;
  /** Writes an object, whole or not at all; large ones in parts. `parts` are written one after the other. */
  put(key: string, parts: readonly Uint8Array[], signal?: AbortSignal): Promise<void>;
  /**
   * Writes a small object only where it is still in the version that was seen, or absent.
   *
   * @param seen the ETag, undefined for none
   * @returns the new ETag; undefined where the condition did not hold. A server that ignores conditions writes always.
   */
  putIf(
    key: string,
    bytes: Uint8Array,
    seen: string | undefined,
    signal?: AbortSignal,
  ): Promise<string | undefined>;
  /** Every key that begins with a prefix, in the order of their bytes, a page of up to 1000 at a time. */
  list(prefix: string, signal?: AbortSignal): AsyncGenerator<string[]>;
  /** The names behind a prefix up to the next slash, once each. */
  names(prefix: string, signal?: AbortSignal): Promise<string[]>;
  /** Removes objects; one that is not there is no error. */
  delete(keys: readonly string[], signal?: AbortSignal): Promise<void>;
  /** The open multipart uploads of keys that begin with a prefix: a killed process leaves them. None where a server cannot list them. */
  uploads(prefix: string, signal?: AbortSignal): AsyncGenerator<Upload>;
}

/** A small object as it is now. */
export interface Inspected {
  readonly bytes: Uint8Array;
  readonly etag: string;
  /** Seconds since it was written, by the clock of the server alone; undefined where it does not tell the time. */
  readonly age: number | undefined;
}

/** Longest object that is inspected: a lease has some hundred bytes. */
const MAX_INSPECTED_BYTES = 64 * 1024;

/** The objects below a location, by the connection that the environment describes. Nothing is asked of the server yet. */
export function openBucket(location: S3Location): Bucket {
  const connection = connect();
  const { client, gate, endpoint } = connection;
  const { bucket: Bucket, prefix: root } = location;
  const below = root === '' ? '' : `${root}/`;
  const Key = (key: string): string => below + key;
  const failed = (action: string, key: string, error: unknown) =>
    s3Error(action, Key(key), { bucket: Bucket, endpoint }, error);
  const site = { ...connection, bucket: Bucket };
  const options = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal });

  const sizeOf = async (key: string, signal?: AbortSignal): Promise<number | undefined> => {
    try {
      const found = await gate(() =>
        client.send(new HeadObjectCommand({ Bucket, Key: Key(key) }), options(signal)),
      );
      return found.ContentLength;
    } catch (error) {
      // The answer to HEAD has no body: whether the bucket or the object is missing is told by listing.
      if (isAbsent(error)) return requireBucket(signal);
      throw failed('read', key, error);
    }
  };

  const requireBucket = async (signal?: AbortSignal): Promise<undefined> => {
    bucketSeen ??= listPage('', { MaxKeys: 1 }, signal);
    await bucketSeen.catch((error: unknown) => {
      bucketSeen = undefined;
      throw error;
    });
  };
  let bucketSeen: Promise<unknown> | undefined;

  const listPage = async (
    prefix: string,
    more: { MaxKeys?: number; Delimiter?: string; ContinuationToken?: string | undefined },
    signal?: AbortSignal,
  ) => {
    try {
      const input = { Bucket, Prefix: Key(prefix), ...more };
      return await gate(() => client.send(new ListObjectsV2Command(input), options(signal)));
    } catch (error) {
      throw failed('list', prefix, error);
    }
  };

  async function* pages(prefix: string, more: { Delimiter?: string }, signal?: AbortSignal) {
    let token: string | undefined;
    do {
      const page = await listPage(prefix, { ...more, ContinuationToken: token }, signal);
      yield page;
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  const inspect = async (key: string, signal?: AbortSignal): Promise<Inspected | undefined> => {
    const command = new GetObjectCommand({ Bucket, Key: Key(key) });
    let date: string | undefined;
    command.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        date = (result.response as { headers?: Record<string, string> }).headers?.date;
        return result;
      },
      { step: 'deserialize', priority: 'low' },
    );
    try {
      const [found, bytes] = await gate(async () => {
        const answer = await client.send(command, options(signal));
        if ((answer.ContentLength ?? 0) > MAX_INSPECTED_BYTES) {
          throw new EsparseError('store', `s3://${Bucket}/${Key(key)} is too large for what it is`);
        }
        return [answer, (await answer.Body?.transformToByteArray()) ?? new Uint8Array(0)] as const;
      });
      const age = (Date.parse(date ?? '') - (found.LastModified?.getTime() ?? Number.NaN)) / 1000;
      return { bytes, etag: found.ETag ?? '', age: Number.isNaN(age) ? undefined : age };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw failed('read', key, error);
    }
  };

  return {
    location,
    async open(key, signal) {
      try {
        return await openS3Object(site, Key(key), signal);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw failed('read', key, error);
      }
    },
    size: sizeOf,
    inspect,
    async put(key, parts, signal) {
      try {
        if (totalOf(parts) > PART_BYTES) await putInParts(site, Key(key), parts, signal);
        else {
          const input = { Bucket, Key: Key(key), Body: joined(parts) };
          await gate(() => client.send(new PutObjectCommand(input), options(signal)));
        }
      } catch (error) {
        throw failed('write', key, error);
      }
    },
    async putIf(key, bytes, seen, signal) {
      // A write whose answer was lost is repeated, and finds its own work in the way: it knows it by this mark.
      const mark = randomUUID();
      const condition = seen === undefined ? { IfNoneMatch: '*' } : { IfMatch: seen };
      const input = { Bucket, Key: Key(key), Body: bytes, Metadata: { 'esparse-write': mark }, ...condition };
      for (let attempt = 1; ; attempt++) {
        try {
          const { ETag } = await gate(() => client.send(new PutObjectCommand(input), options(signal)));
          return ETag ?? '';
        } catch (error) {
          if (isCode(error, 'ConditionalRequestConflict') && attempt < CONFLICT_ATTEMPTS) continue;
          if (!isConditionFailed(error) && !(seen !== undefined && isAbsent(error)))
            throw failed('write', key, error);
          const found = await headOf(key, signal);
          return found?.Metadata?.['esparse-write'] === mark ? found.ETag : undefined;
        }
      }
    },
    async *list(prefix, signal) {
      for await (const { Contents = [] } of pages(prefix, {}, signal)) {
        yield Contents.map((object) => (object.Key ?? '').slice(below.length));
      }
    },
    async names(prefix, signal) {
      const names = new Set<string>();
      const start = Key(prefix).length;
      for await (const { Contents = [], CommonPrefixes = [] } of pages(prefix, { Delimiter: '/' }, signal)) {
        for (const object of Contents) names.add((object.Key ?? '').slice(start));
        for (const folder of CommonPrefixes) names.add((folder.Prefix ?? '').slice(start, -1));
      }
      // Consoles show folders by empty objects whose keys end with a slash.
      names.delete('');
      return [...names];
    },
    async delete(keys, signal) {
      const [only] = keys;
      try {
        if (keys.length === 1 && only !== undefined) {
          await gate(() => client.send(new DeleteObjectCommand({ Bucket, Key: Key(only) }), options(signal)));
          return;
        }
        for (let from = 0; from < keys.length; from += MAX_DELETE_KEYS) {
          const Objects = keys.slice(from, from + MAX_DELETE_KEYS).map((key) => ({ Key: Key(key) }));
          const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
          const { Errors = [] } = await gate(() => client.send(command, options(signal)));
          if (Errors[0] !== undefined) {
            throw new EsparseError(
              'store',
              `cannot remove s3://${Bucket}/${Errors[0].Key ?? ''}: ${Errors[0].Message ?? Errors[0].Code ?? ''}`,
            );
          }
        }
      } catch (error) {
        throw failed('remove', only ?? '', error);
      }
    },
    async *uploads(prefix, signal) {
      const named = (action: string, key: string) => (error: unknown) => {
        throw failed(action, key, error);
      };
      try {
        for await (const upload of openUploads(site, Key(prefix), signal)) {
          const key = upload.key.slice(below.length);
          yield {
            key,
            bytes: (abort) => upload.bytes(abort).catch(named('list the parts of', key)),
            abort: (abort) => upload.abort(abort).catch(named('end the upload of', key)),
          };
        }
      } catch (error) {
        throw failed('list the uploads of', prefix, error);
      }
    },
  };

  async function headOf(key: string, signal: AbortSignal | undefined) {
    try {
      return await gate(() => client.send(new HeadObjectCommand({ Bucket, Key: Key(key) }), options(signal)));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw failed('read', key, error);
    }
  }
}
