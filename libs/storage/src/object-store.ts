import type { EsparseError } from '@esparse/errors';

/**
 * Where the objects of a store live: a folder, or a bucket. The seam between the format (everything else in this
 * library) and a medium. Keys are checked by `checkKey`; nobody assumes that objects can be renamed.
 */
export interface ObjectStore {
  /** The whole object, or undefined where there is none. */
  get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Bytes of an object from `offset`: shorter than `length` where the object ends; undefined if there is none. */
  getRange(
    key: string,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined>;
  /** The size of an object in bytes, or undefined where there is none. */
  size(key: string): Promise<number | undefined>;
  /**
   * Writes an object, the parts one after the other. Atomic: a reader sees the old object or all of the new one,
   * also after a crash where `durable` is set (and `sync` was called for its folder).
   */
  put(key: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<void>;
  /** Every key below a folder ('' for all), at any depth. */
  list(folder: string): AsyncIterable<string>;
  /** The names directly in a folder ('' for the root), objects and folders, sorted; empty where there is none. */
  children(folder: string): Promise<string[]>;
  /** Removes an object; one that is not there is no error. */
  delete(key: string): Promise<void>;
  /** Removes everything below a folder. */
  deletePrefix(folder: string): Promise<void>;
  /** Makes the presence of everything put into these folders durable; folders above them included. */
  sync(folders: readonly string[]): Promise<void>;
  /** How messages name this store: a path or a URL. */
  describe(): string;

  /** Opens an object for reading in pieces, all from the same version of it. Without it, `get` is used. */
  open?(key: string): Promise<ObjectHandle | undefined>;
  /** The absolute path of an object, where it is a local file that can be memory-mapped. */
  fileOf?(key: string): string;
  /** What tells the version of an object; undefined where there is none. */
  version?(key: string): Promise<string | undefined>;
  /**
   * Puts a small object, durably, only where it is still in the version that was seen, undefined for none: so that of two
   * writers of whom each takes itself for the only one, one notices. Without it, the lock alone keeps them apart.
   *
   * @throws EsparseError 'locked' where another has written it
   */
  putIf?(key: string, bytes: Uint8Array, seen: string | undefined): Promise<void>;
  /** Takes the lock of the one writer. Without it, the store cannot tell that there is a second writer. */
  lock?(): Promise<WriterLease>;
  /** Removes what crashed `put`s left directly in a folder; only its one writer may call it. */
  cleanUp?(folder: string): Promise<void>;
  /**
   * Finds what crashed `put`s left, and removes it where asked to; only the one writer may call it.
   *
   * @param own a folder that nobody else writes: what does not say whose it is is looked for there only
   */
  temporaries?(remove: boolean, own: string): AsyncIterable<Temporary>;
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

/** One version of an object, open for reading. */
export interface ObjectHandle {
  readonly size: number;
  /** Fills `target` with the bytes from `offset`. @returns false where the object ends too early */
  readInto(offset: number, target: Uint8Array): Promise<boolean>;
  close(): Promise<void>;
}

/** The writer's lock, held until it is released. */
export interface WriterLease {
  /** Set once the lock was lost to another process (a clock jump, a suspended machine): stop writing. */
  readonly lost: EsparseError | undefined;
  /** What a user should know of this lock, where it does not keep all that it promises. */
  readonly caution?: string;
  release(): Promise<void>;
}
