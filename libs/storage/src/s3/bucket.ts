import type { ByteSource } from '../byte-source.ts';
import { connect } from './connect.ts';
import { isAbsent, s3Error } from './errors.ts';
import { headOf, inspect, type Inspected } from './inspect.ts';
import { listKeys, listNames, listPage } from './list.ts';
import { openUploads, type Upload } from './multipart.ts';
import { openS3Object } from './read.ts';
import type { S3Place } from './scheme.ts';
import type { BucketConnection } from './bucket-connection.ts';
import { deleteObjects, putObject, putObjectIf } from './write.ts';

/** The objects below a location, by the connection that the environment describes. Nothing is asked of the server yet. */
export function openBucket(place: S3Place): Bucket {
  return new Bucket(place, { ...connect(), bucket: place.bucket });
}

/** The objects below a prefix of a bucket; every key is relative to it. Errors are esparse errors. */
export class Bucket {
  readonly place: S3Place;
  readonly #connection: BucketConnection;
  readonly #below: string;
  #seen: Promise<unknown> | undefined;

  constructor(place: S3Place, connection: BucketConnection) {
    this.place = place;
    this.#connection = connection;
    this.#below = place.prefix === '' ? '' : `${place.prefix}/`;
  }

  /** Opens one version of an object for reading; undefined where there is none. */
  async open(key: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    const full = this.#below + key;
    try {
      return await openS3Object(this.#connection, full, signal);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw s3Error('read', full, this.#connection, error);
    }
  }

  /** The size of an object in bytes; undefined where there is none. */
  async size(key: string, signal?: AbortSignal): Promise<number | undefined> {
    const found = await headOf(this.#connection, this.#below + key, signal);
    if (found !== undefined) return found.ContentLength;
    // The answer to HEAD has no body: a list says whether the bucket or the object is missing.
    await this.#requireBucket(signal);
    return undefined;
  }

  /** When an object was written, by the server's clock; undefined where there is none. */
  async written(key: string, signal?: AbortSignal): Promise<Date | undefined> {
    return (await headOf(this.#connection, this.#below + key, signal))?.LastModified;
  }

  /** A small object, its ETag, and its age by the server's own clock. */
  inspect(key: string, signal?: AbortSignal): Promise<Inspected | undefined> {
    return inspect(this.#connection, this.#below + key, signal);
  }

  /** Writes an object, whole or not at all; see `putObject`. */
  put(key: string, parts: readonly Uint8Array[], signal?: AbortSignal): Promise<void> {
    return putObject(this.#connection, this.#below + key, parts, signal);
  }

  /** Writes a small object only where it is still in the version that was seen, or absent; see `putObjectIf`. */
  putIf(
    key: string,
    bytes: Uint8Array,
    seen: string | undefined,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    return putObjectIf(this.#connection, this.#below + key, bytes, seen, signal);
  }

  /** Every key that begins with a prefix, in the order of their bytes, a page of up to 1000 at a time. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<string[]> {
    for await (const keys of listKeys(this.#connection, this.#below + prefix, signal)) {
      yield keys.map((key) => key.slice(this.#below.length));
    }
  }

  /** The names behind a prefix up to the next slash, once each. */
  names(prefix: string, signal?: AbortSignal): Promise<string[]> {
    return listNames(this.#connection, this.#below + prefix, signal);
  }

  /** Removes objects; one that is not there is no error. */
  delete(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    const full = keys.map((key) => this.#below + key);
    return deleteObjects(this.#connection, full, signal);
  }

  /** The open multipart uploads of keys that begin with a prefix: a killed process leaves them. None where a server cannot list them. */
  async *uploads(prefix: string, signal?: AbortSignal): AsyncGenerator<Upload> {
    for await (const upload of openUploads(this.#connection, this.#below + prefix, signal)) {
      yield { ...upload, key: upload.key.slice(this.#below.length) };
    }
  }

  /** Asks once whether there is such a bucket. */
  async #requireBucket(signal?: AbortSignal): Promise<void> {
    this.#seen ??= listPage(this.#connection, this.#below, { MaxKeys: 1 }, signal);
    await this.#seen.catch((error: unknown) => {
      this.#seen = undefined;
      throw error;
    });
  }
}
