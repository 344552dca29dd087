import { openBucket, type Bucket } from './bucket.ts';
import type { S3Object } from './read.ts';
import { EsparseError } from '@esparse/errors';
import { formatLocation, type S3Location } from '../location.ts';
import { allocate } from '../allocate.ts';
import { checkKey, OWN_PREFIX } from '../key.ts';
import type { ObjectHandle, ObjectStore, Temporary, WriterLease } from '../object-store.ts';
import { takeLease } from './lease.ts';

/**
 * Objects below a prefix of a bucket. S3 shows an object whole as soon as its put is answered, and from then on to
 * everybody: so `put` is atomic and durable, and there is nothing to flush.
 */
export function s3ObjectStore(location: S3Location): ObjectStore {
  return new S3ObjectStore(openBucket(location));
}

class S3ObjectStore implements ObjectStore {
  readonly #bucket: Bucket;
  /** Whether the server keeps to conditions on writes; found out when the lease is taken. */
  #conditional = false;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return this.getRange(key, 0, Number.MAX_SAFE_INTEGER, signal);
  }

  async getRange(
    key: string,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const object = await this.#bucket.open(checkKey(key), signal);
    if (object === undefined) return undefined;
    const target = allocate(Math.max(0, Math.min(length, object.size - offset)));
    if (target.byteLength > 0) await object.readInto(offset, target, signal);
    return target;
  }

  async open(key: string): Promise<ObjectHandle | undefined> {
    const object = await this.#bucket.open(checkKey(key));
    return object && handleOf(object);
  }

  size(key: string): Promise<number | undefined> {
    return this.#bucket.size(checkKey(key));
  }

  put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#bucket.put(checkKey(key), parts);
  }

  async version(key: string): Promise<string | undefined> {
    return (await this.#bucket.inspect(checkKey(key)))?.etag;
  }

  async putIf(key: string, bytes: Uint8Array, seen: string | undefined): Promise<void> {
    if (!this.#conditional) return this.put(key, [bytes]);
    if ((await this.#bucket.putIf(checkKey(key), bytes, seen)) !== undefined) return;
    throw new EsparseError('locked', `${this.describe()}: another process has written ${key} meanwhile`, {
      hint: 'let only one `esparse prune` write a store, then run again: what is committed stays',
    });
  }

  async *list(folder: string): AsyncGenerator<string> {
    for await (const keys of this.#bucket.list(below(folder))) {
      for (const key of keys) if (!isOwn(key)) yield key;
    }
  }

  async children(folder: string): Promise<string[]> {
    const names = await this.#bucket.names(below(folder));
    return names.filter((name) => !isOwn(name)).sort();
  }

  delete(key: string): Promise<void> {
    return this.#bucket.delete([checkKey(key)]);
  }

  async deletePrefix(folder: string): Promise<void> {
    if (folder === '') throw new EsparseError('internal', 'a whole store is never removed');
    const prefix = below(folder);
    for await (const upload of this.#bucket.uploads(prefix)) await upload.abort();
    for await (const keys of this.#bucket.list(prefix)) if (keys.length > 0) await this.#bucket.delete(keys);
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  /** Uploads that nobody completed: one does not say whose it is, so only those of a folder that is the writer's own count. */
  async *temporaries(remove: boolean, own: string): AsyncGenerator<Temporary> {
    for await (const upload of this.#bucket.uploads(below(own))) {
      const bytes = await upload.bytes();
      if (remove) await upload.abort();
      yield { object: upload.key, bytes };
    }
  }

  async lock(): Promise<WriterLease> {
    const { lease, conditional } = await takeLease(this.#bucket);
    this.#conditional = conditional;
    return lease;
  }

  describe(): string {
    return formatLocation(this.#bucket.location);
  }
}

function handleOf(object: S3Object): ObjectHandle {
  return {
    size: object.size,
    readInto: (offset, target) => object.readInto(offset, target),
    close: () => Promise.resolve(),
  };
}

/** What the keys in a folder begin with. */
function below(folder: string): string {
  return folder === '' ? '' : `${checkKey(folder)}/`;
}

/** The lease, and what tries out conditions: no objects of the store. */
function isOwn(key: string): boolean {
  return key.startsWith(OWN_PREFIX);
}
