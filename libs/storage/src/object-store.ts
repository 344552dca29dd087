import { EsparseError } from '@esparse/errors';
import { allocate } from './allocate.ts';
import type { ByteSource } from './byte-source.ts';
import { freeLease, type WriterLease } from './writer-lease.ts';

/**
 * Where the objects of a store live: a folder, or a bucket. The seam between the store's format and a medium. A medium
 * must state the abstract methods; the others have a default that follows from them, or that does without what a medium
 * may lack. Keys are checked by `checkKey`; nobody assumes that objects can be renamed.
 */
export abstract class ObjectStore {
  /** How messages name this store: a path or a URL. */
  abstract describe(): string;
  /** Opens one version of an object, to be read by range; undefined where there is none. */
  abstract open(key: string, signal?: AbortSignal): Promise<ByteSource | undefined>;
  /**
   * Writes an object, the parts one after the other. Atomic: a reader sees the old object or all of the new one,
   * also after a crash where `durable` is set (and `sync` was called for its folder).
   */
  abstract put(key: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<void>;
  /** Every key below a folder ('' for all), at any depth. */
  abstract list(folder: string): AsyncIterable<string>;
  /** Removes an object; one that is not there is no error. */
  abstract delete(key: string): Promise<void>;

  // What follows from those: a medium that can do it in fewer steps states it itself.

  /** The whole object, or undefined where there is none. */
  get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return this.getRange(key, 0, Number.MAX_SAFE_INTEGER, signal);
  }

  /** Bytes of an object from `offset`: shorter than `length` where the object ends; undefined if there is none. */
  async getRange(
    key: string,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted();
    const source = await this.open(key, signal);
    if (source === undefined) return undefined;
    try {
      const target = allocate(Math.max(0, Math.min(length, source.size - offset)));
      if (target.byteLength === 0 || (await source.readInto(offset, target, signal))) return target;
      throw new EsparseError('store', `${this.describe()}: ${key} became shorter while it was read`);
    } finally {
      await source.close();
    }
  }

  /** The size of an object in bytes, or undefined where there is none. */
  async size(key: string): Promise<number | undefined> {
    const source = await this.open(key);
    await source?.close();
    return source?.size;
  }

  /** The names directly in a folder ('' for the root), objects and folders, sorted; empty where there is none. */
  async children(folder: string): Promise<string[]> {
    const start = folder === '' ? 0 : folder.length + 1;
    const names = new Set<string>();
    for await (const key of this.list(folder)) names.add(key.slice(start).split('/')[0]!);
    return [...names].sort();
  }

  /** Removes everything below a folder. */
  async deletePrefix(folder: string): Promise<void> {
    if (folder === '') throw new EsparseError('internal', 'a whole store is never removed');
    const keys: string[] = [];
    for await (const key of this.list(folder)) keys.push(key);
    for (const key of keys) await this.delete(key);
  }

  // Capabilities: what a medium may lack. The default is to do without.

  /** Flushing. Makes the presence of everything put into these folders durable; folders above them included. @default nothing: a put is durable by itself */
  sync(_folders: readonly string[]): Promise<void> {
    return Promise.resolve();
  }

  /** Space. Bytes that can still be written. @default undefined: the medium has no bound, or does not say it */
  free(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  /** Times. When an object was written; undefined where there is none. @default undefined: the medium does not say */
  written(_key: string): Promise<Date | undefined> {
    return Promise.resolve(undefined);
  }

  /** Memory mapping. The absolute path of an object. Absent where objects are no local files. */
  fileOf?(key: string): string;

  /** Versions. The version of an object, such as its ETag; undefined where there is none. @default undefined: versions are not distinguished */
  version(_key: string): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  /**
   * Conditional writes. Puts a small object, durably, only where it is still in the version that was seen, undefined for
   * none: so that of two writers of whom each takes itself for the only one, one notices.
   *
   * @default writes in any case: the lock alone keeps writers apart
   * @throws EsparseError 'locked' where another has written it
   */
  putIf(key: string, bytes: Uint8Array, _seen: string | undefined): Promise<void> {
    return this.put(key, [bytes], { durable: true });
  }

  /** Locking. Takes the lock of the one writer. @default a lease that is always free: a second writer goes unnoticed */
  lock(): Promise<WriterLease> {
    return Promise.resolve(freeLease());
  }

  /** Leftovers. Removes what crashed `put`s left directly in a folder; only its one writer may call it. @default nothing: they leave nothing */
  cleanUp(_folder: string): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Leftovers. Finds what crashed `put`s left, and removes it where asked to; only the one writer may call it.
   *
   * @param own a folder that only this store writes: leftovers that do not say who made them are looked for there only
   * @default none
   */
  async *temporaries(_remove: boolean, _own: string): AsyncGenerator<Temporary> {
    yield* await Promise.resolve([]);
  }
}

/** What a crashed `put` left. */
export interface Temporary {
  /** Where it lies, from the root of the store. */
  readonly object: string;
  readonly bytes: number;
}

/** Options of `ObjectStore.put`. */
export interface PutOptions {
  /**
   * Wait until the bytes are on the device. @default false
   */
  readonly durable?: boolean;
}
