import { EsparseError } from '@esparse/errors';
import { checkKey, folderOf, joinKey, type ObjectStore } from '@esparse/storage';
import type { ArrayInput } from './array-types.ts';
import { encodeJson } from './encode-json.ts';
import { hexOf } from './checksum.ts';
import { commitKey, isCommitted } from './commits.ts';
import { encodeArray } from './encode-array.ts';
import { ZARR_JSON } from './layout.ts';
import { entryOf, sortedEntries, type ManifestEntry } from './manifest.ts';
import { sealedGroup, type Attributes } from './sealed-document.ts';

/**
 * The making of one block, or of the dense arrays: invisible to readers until `commit`, and whole from then on.
 * Arrays may be put concurrently; their memory must not change until the promise resolves.
 */
export interface Transaction {
  /** Stores an array under a path such as 'q_proj/values'. */
  putArray(path: string, array: ArrayInput): Promise<void>;
  /** Stores a group that holds arrays, with attributes of its own. Groups without any need not be put. */
  putGroup(path: string, attributes: Attributes): Promise<void>;
  /**
   * Makes everything durable, then visible.
   *
   * @param attributes plain JSON; the names format, seal and objects are reserved
   */
  commit(attributes: Attributes): Promise<Commit>;
  /**
   * Removes what was put, once what is being put has ended. After a commit that failed halfway, one that did become
   * visible stays. Called again, it waits for the same end. Never fails, and so never hides the error after which it is
   * called: what cannot be removed is removed when the group is begun again.
   */
  abort(): Promise<void>;
}

/** What a commit made visible. */
export interface Commit {
  /** Objects below the group, its own document not counted. */
  readonly objects: number;
  /** Their bytes. */
  readonly bytes: number;
}

/** Where a transaction works, and what it asks of its writer. */
export interface TransactionTarget {
  readonly store: ObjectStore;
  readonly folder: string;
  /** Names run and block in messages. */
  readonly label: string;
  /** Throws where the writer may not write any more. */
  readonly assertHeld: () => void;
  readonly onClosed: (committed: boolean) => void;
}

/** Begins a transaction; what a crashed attempt left is removed before the first object is put. */
export function beginTransaction(target: TransactionTarget): Transaction {
  return new GroupTransaction(target);
}

/** Commits what `write` puts into a transaction, or takes it back where it fails. */
export async function commitWith(
  transaction: Transaction,
  attributes: Attributes,
  write: (transaction: Transaction) => Promise<void>,
): Promise<void> {
  try {
    await write(transaction);
    await transaction.commit(attributes);
  } catch (error) {
    await transaction.abort();
    throw error;
  }
}

class GroupTransaction implements Transaction {
  readonly #target: TransactionTarget;
  readonly #entries = new Map<string, ManifestEntry>();
  readonly #nodes = new Map<string, 'array' | 'group'>();
  #prepared: Promise<void> | undefined;
  #aborted: Promise<void> | undefined;
  readonly #pending = new Set<Promise<unknown>>();
  #state: 'open' | 'failed' | 'committed' | 'aborted' = 'open';

  constructor(target: TransactionTarget) {
    this.#target = target;
  }

  async putArray(path: string, array: ArrayInput): Promise<void> {
    this.#claim(path, 'array');
    await this.#write(async () => {
      const encoded = await encodeArray(array, `${this.#target.label}: array ${path}`);
      const document = encodeJson(encoded.document, `${this.#target.label}: array ${path}`);
      const puts = [this.#putNode(path, Buffer.from(document))];
      if (encoded.chunk !== undefined) {
        const { key, parts, crc } = encoded.chunk;
        const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
        puts.push(this.#put({ path: joinKey(path, key), bytes, crc32c: hexOf(crc) }, parts));
      }
      await allSettledOrThrow(puts);
    });
  }

  async putGroup(path: string, attributes: Attributes): Promise<void> {
    this.#claim(path, 'group');
    await this.#write(() => this.#putGroupNode(path, attributes));
  }

  async commit(attributes: Attributes): Promise<Commit> {
    const { store, folder, label, assertHeld, onClosed } = this.#target;
    this.#assertOpen();
    if (this.#pending.size > 0)
      throw new EsparseError('internal', `${label}: commit before all arrays were put`);
    if ('objects' in attributes) {
      throw new EsparseError('usage', `${label} cannot be stored: the name "objects" is reserved`);
    }
    return this.#write(async () => {
      await this.#putParentGroups();
      const objects = sortedEntries(this.#entries.values());
      const document = sealedGroup({ ...attributes, objects }, label);
      await store.sync(this.#folders());
      assertHeld();
      // From here on a reader sees the group.
      await store.putIf(commitKey(folder), document, undefined);
      await store.sync([folder]);
      this.#state = 'committed';
      onClosed(true);
      return { objects: objects.length, bytes: objects.reduce((sum, entry) => sum + entry.bytes, 0) };
    });
  }

  async abort(): Promise<void> {
    if (this.#state === 'committed') return;
    this.#state = 'aborted';
    this.#aborted ??= this.#takeBack();
    return this.#aborted;
  }

  async #takeBack(): Promise<void> {
    const { store, folder, onClosed, assertHeld } = this.#target;
    await Promise.allSettled(this.#pending);
    let visible = false;
    try {
      // A commit may have failed after its document was put: then the group is there, whole.
      visible = await isCommitted(store, folder);
      if (!visible && isHeld(assertHeld)) await store.deletePrefix(folder);
    } catch {
      // Left for the next attempt.
    } finally {
      onClosed(visible);
    }
  }

  /** Reserves a path before anything is written, so that concurrent puts cannot collide. */
  #claim(path: string, kind: 'array' | 'group'): void {
    const { label } = this.#target;
    this.#assertOpen();
    checkKey(path);
    if (path.split('/').includes(ZARR_JSON)) {
      throw new EsparseError('usage', `${label}: the name ${ZARR_JSON} is reserved (${path})`);
    }
    if (this.#nodes.has(path)) throw new EsparseError('usage', `${label}: ${path} is put twice`);
    for (let above = folderOf(path); above !== ''; above = folderOf(above)) {
      if (this.#nodes.get(above) !== 'array') continue;
      throw new EsparseError('usage', `${label}: ${path} lies below the array ${above}`);
    }
    const below = kind === 'array' && [...this.#nodes.keys()].find((node) => node.startsWith(`${path}/`));
    if (below !== false && below !== undefined) {
      throw new EsparseError('usage', `${label}: the array ${path} lies above ${below}`);
    }
    this.#nodes.set(path, kind);
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    this.#prepared ??= this.#prepare();
    const writing = this.#prepared.then(() => {
      this.#target.assertHeld();
      return work();
    });
    this.#pending.add(writing);
    try {
      return await writing;
    } catch (error) {
      if (this.#state === 'open') this.#state = 'failed';
      throw error;
    } finally {
      this.#pending.delete(writing);
    }
  }

  async #prepare(): Promise<void> {
    const { store, folder, label, assertHeld } = this.#target;
    assertHeld();
    if (await isCommitted(store, folder)) {
      throw new EsparseError(
        'store',
        `${label} is committed already, and what is committed is never overwritten`,
      );
    }
    await store.deletePrefix(folder);
  }

  /** Every folder between the group and an array is a Zarr group. */
  async #putParentGroups(): Promise<void> {
    for (const path of [...this.#nodes.keys()].sort()) {
      for (let above = folderOf(path); above !== ''; above = folderOf(above)) {
        if (this.#nodes.has(above)) continue;
        this.#nodes.set(above, 'group');
        await this.#putGroupNode(above, {});
      }
    }
  }

  async #putGroupNode(path: string, attributes: Attributes): Promise<void> {
    const document = { zarr_format: 3, node_type: 'group', attributes };
    await this.#putNode(path, Buffer.from(encodeJson(document, `${this.#target.label}: group ${path}`)));
  }

  async #putNode(path: string, document: Uint8Array): Promise<void> {
    await this.#put(entryOf(joinKey(path, ZARR_JSON), document), [document]);
  }

  async #put(entry: ManifestEntry, parts: readonly Uint8Array[]): Promise<void> {
    const { store, folder } = this.#target;
    await store.put(joinKey(folder, entry.path), parts, { durable: true });
    this.#entries.set(entry.path, entry);
  }

  #folders(): string[] {
    const { folder } = this.#target;
    const all = new Set([...this.#entries.keys()].map((path) => joinKey(folder, folderOf(path))));
    return [...all].sort();
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    throw new EsparseError('internal', `${this.#target.label}: the transaction is ${this.#state}`, {
      hint: this.#state === 'failed' ? 'abort it, and begin again' : undefined,
    });
  }
}

/** A writer that has lost its lock leaves what it wrote: the folder may be another's by now. */
function isHeld(assertHeld: () => void): boolean {
  try {
    assertHeld();
    return true;
  } catch {
    return false;
  }
}

/** Waits for all, also where one fails: nobody may take back what is still being written. */
async function allSettledOrThrow(work: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(work);
  await Promise.all(work);
}
