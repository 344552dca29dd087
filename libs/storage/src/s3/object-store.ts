import { EsparseError } from '@esparse/errors';
import type { ByteSource } from '../byte-source.ts';
import { checkKey, OWN_PREFIX } from '../key.ts';
import { ObjectStore, type Temporary } from '../object-store.ts';
import type { WriterLease } from '../writer-lease.ts';
import { openBucket, type Bucket } from './bucket.ts';
import { takeLease } from './lease.ts';
import { textOf, type S3Place } from './scheme.ts';

/**
 * Objects below a prefix of a bucket. S3 shows an object whole as soon as its put is answered, and from then on to
 * everybody: so `put` is atomic and durable, and there is nothing to flush.
 */
export function s3ObjectStore(place: S3Place): ObjectStore {
  return new S3ObjectStore(openBucket(place));
}

class S3ObjectStore extends ObjectStore {
  readonly #bucket: Bucket;
  /** Whether the server keeps to conditions on writes; found out when the lease is taken. */
  #conditional = false;

  constructor(bucket: Bucket) {
    super();
    this.#bucket = bucket;
  }

  async open(key: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    return this.#bucket.open(checkKey(key), signal);
  }

  override size(key: string): Promise<number | undefined> {
    return this.#bucket.size(checkKey(key));
  }

  override written(key: string): Promise<Date | undefined> {
    return this.#bucket.written(checkKey(key));
  }

  async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#bucket.put(checkKey(key), parts);
  }

  override async version(key: string): Promise<string | undefined> {
    return (await this.#bucket.inspect(checkKey(key)))?.etag;
  }

  override async putIf(key: string, bytes: Uint8Array, seen: string | undefined): Promise<void> {
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

  override async children(folder: string): Promise<string[]> {
    const names = await this.#bucket.names(below(folder));
    return names.filter((name) => !isOwn(name)).sort();
  }

  delete(key: string): Promise<void> {
    return this.#bucket.delete([checkKey(key)]);
  }

  override async deletePrefix(folder: string): Promise<void> {
    if (folder === '') throw new EsparseError('internal', 'a whole store is never removed');
    const prefix = below(folder);
    for await (const upload of this.#bucket.uploads(prefix)) await upload.abort();
    for await (const keys of this.#bucket.list(prefix)) if (keys.length > 0) await this.#bucket.delete(keys);
  }

  /** Uploads that were not completed. An upload does not say who began it, so only those in the store's own folder count. */
  override async *temporaries(remove: boolean, own: string): AsyncGenerator<Temporary> {
    for await (const upload of this.#bucket.uploads(below(own))) {
      const bytes = await upload.bytes();
      if (remove) await upload.abort();
      yield { object: upload.key, bytes };
    }
  }

  override async lock(): Promise<WriterLease> {
    const { lease, conditional } = await takeLease(this.#bucket);
    this.#conditional = conditional;
    return lease;
  }

  describe(): string {
    return textOf(this.#bucket.place);
  }
}

/** What the keys in a folder begin with. */
function below(folder: string): string {
  return folder === '' ? '' : `${checkKey(folder)}/`;
}

/** The lease, and what tries out conditions: no objects of the store. */
function isOwn(key: string): boolean {
  return key.startsWith(OWN_PREFIX);
}
