import { EsparseError } from '@esparse/errors';
import { joinKey, type ObjectStore, type WriterLease } from '@esparse/storage';
import { encodeJson } from './encode-json.ts';
import { committedBlocks, isCommitted } from './commits.ts';
import { seenCurrent, type SeenCurrent } from './current.ts';
import { finishRun, type FinishInput } from './finish-run.ts';
import { blockFolder, BLOCKS, DENSE, draftFolder, DRAFTS, runFolder, RUNS, ZARR_JSON } from './layout.ts';
import { replaceFolder } from './replace-folder.ts';
import { holdsRun } from './run-state.ts';
import { openRunAt, type Run } from './run.ts';
import { readSealedGroup, sealedGroup, type Attributes } from './sealed-document.ts';
import { beginTransaction, type Transaction } from './transaction.ts';

/** Writes one run. There is one writer of a store at a time; `close` releases the lock for the next one. */
export interface RunWriter {
  readonly run: Run;
  /** A warning for the user, where the medium cannot keep all that the lock promises. */
  readonly caution: string | undefined;
  /**
   * Makes a folder of raw objects such as 'tokenizer' hold these and no others, also where the run is finished; the same
   * again is no change. See `replaceFolder`.
   *
   * @returns the names of the objects that were added, changed or removed
   */
  putObjects(folder: string, objects: ReadonlyMap<string, Uint8Array>): Promise<string[]>;
  /** Begins block k. @throws EsparseError 'store' where it is committed, 'internal' where it is begun already */
  beginBlock(k: number): Transaction;
  /**
   * Begins a draft of block k, in the place of an earlier one: see `Run.draft`. It is no part of the run, and nobody
   * but the writer removes it, at the latest when the run is finished.
   */
  beginDraft(k: number): Promise<Transaction>;
  /** Removes all drafts. */
  removeDrafts(): Promise<void>;
  /** Begins the arrays outside the blocks. @throws as `beginBlock` */
  beginDense(): Transaction;
  /**
   * Ends the run: writes finished.json, then names the run as the one to be served. Again on a finished run, only
   * the latter; the first summary stands.
   *
   * @throws EsparseError 'store' where blocks or the dense arrays are not committed, naming them
   */
  finish(summary: FinishInput): Promise<void>;
  /** Aborts the transactions that are open, then releases the lock. Nothing may be written afterwards. */
  close(): Promise<void>;
}

/**
 * Begins a run or resumes it, under the writer's lock.
 *
 * @throws EsparseError 'locked' where another process writes; 'store' where the run exists with other attributes
 */
export async function beginRunAt(
  store: ObjectStore,
  fingerprint: string,
  attributes: Attributes,
): Promise<RunWriter> {
  const folder = runFolder(fingerprint);
  const lease = await store.lock();
  try {
    const current = await seenCurrent(store);
    for (const place of ['', RUNS, folder, joinKey(folder, BLOCKS)]) await store.cleanUp(place);
    // A removal that was cut off may have left anything but a commit: also manifests of objects that are gone.
    if (!(await holdsRun(store, fingerprint))) await store.deletePrefix(folder);
    await putOnce(store, joinKey(RUNS, ZARR_JSON), {});
    await putOnce(store, joinKey(folder, ZARR_JSON), attributes);
    await putOnce(store, joinKey(folder, BLOCKS, ZARR_JSON), {});
    await store.sync([joinKey(folder, BLOCKS)]);
    const committed = new Set((await committedBlocks(store, folder)).map((k) => blockFolder(folder, k)));
    if (await isCommitted(store, joinKey(folder, DENSE))) committed.add(joinKey(folder, DENSE));
    return new StoreRunWriter(store, await openRunAt(store, fingerprint), { lease, current, committed });
  } catch (error) {
    await lease.release();
    throw error;
  }
}

/** What a writer begins with. */
interface Begun {
  readonly lease: WriterLease;
  readonly current: SeenCurrent;
  readonly committed: Set<string>;
}

class StoreRunWriter implements RunWriter {
  readonly run: Run;
  readonly caution: string | undefined;
  readonly #store: ObjectStore;
  readonly #folder: string;
  readonly #lease: WriterLease;
  /** Folders of the committed groups. */
  readonly #committed: Set<string>;
  /** The groups being written, by folder. */
  readonly #begun = new Map<string, Transaction>();
  /** Raw objects are written one after the other: each changes its folder's manifest. */
  #lastRaw: Promise<unknown> = Promise.resolve();
  /** `current` as it was when this writer began, and as it wrote it. */
  readonly #current: SeenCurrent;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(store: ObjectStore, run: Run, { lease, current, committed }: Begun) {
    this.run = run;
    this.caution = lease.caution;
    this.#current = current;
    this.#store = store;
    this.#folder = runFolder(run.fingerprint);
    this.#lease = lease;
    this.#committed = committed;
  }

  async putObjects(folder: string, objects: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
    const write = (): Promise<string[]> => {
      this.#assertHeld();
      return replaceFolder(this.#store, this.#folder, folder, objects);
    };
    const written = this.#lastRaw.then(write, write);
    this.#lastRaw = written.catch(() => undefined);
    return written;
  }

  beginBlock(k: number): Transaction {
    return this.#begin(blockFolder(this.#folder, k), `run ${this.run.fingerprint}, block ${k}`);
  }

  async beginDraft(k: number): Promise<Transaction> {
    const folder = draftFolder(this.#folder, k);
    await this.removeDrafts();
    // It may be begun again, unlike what is committed for good.
    this.#committed.delete(folder);
    return this.#begin(folder, `run ${this.run.fingerprint}, draft of block ${k}`);
  }

  async removeDrafts(): Promise<void> {
    this.#assertHeld();
    await this.#store.deletePrefix(joinKey(this.#folder, DRAFTS));
  }

  beginDense(): Transaction {
    return this.#begin(joinKey(this.#folder, DENSE), `run ${this.run.fingerprint}, dense`);
  }

  async finish(summary: FinishInput): Promise<void> {
    this.#assertHeld();
    await this.#lastRaw;
    if (this.#begun.size > 0) {
      throw new EsparseError(
        'internal',
        `the run cannot finish: ${[...this.#begun.keys()].join(', ')} is still being written`,
      );
    }
    await this.removeDrafts();
    await finishRun(this.#store, this.run.fingerprint, summary, this.#current, () => {
      this.#assertHeld();
    });
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#lastRaw;
    // Before the next writer may begin: it must not lose what it writes to our cleaning up.
    await Promise.allSettled([...this.#begun.values()].map((transaction) => transaction.abort()));
    this.#closed = true;
    await this.#lease.release();
  }

  #begin(folder: string, label: string): Transaction {
    this.#assertHeld();
    if (this.#committed.has(folder)) {
      throw new EsparseError(
        'store',
        `${label} is committed already, and what is committed is never overwritten`,
      );
    }
    if (this.#begun.has(folder)) throw new EsparseError('internal', `${label} is being written already`);
    const transaction = beginTransaction({
      store: this.#store,
      folder,
      label,
      assertHeld: () => {
        this.#assertHeld();
      },
      onClosed: (committed) => {
        this.#begun.delete(folder);
        if (committed) this.#committed.add(folder);
      },
    });
    this.#begun.set(folder, transaction);
    return transaction;
  }

  #assertHeld(): void {
    if (this.#closed) throw new EsparseError('internal', 'the writer of the run is closed');
    if (this.#lease.lost !== undefined) throw this.#lease.lost;
  }
}

/** Writes a sealed group unless it is there with the same attributes. */
async function putOnce(store: ObjectStore, key: string, attributes: Attributes): Promise<void> {
  const document = sealedGroup(attributes, key);
  const found = await readSealedGroup(store, key);
  if (found === undefined) {
    await store.putIf(key, document, undefined);
    return;
  }
  const names = new Set([...Object.keys(found), ...Object.keys(attributes)]);
  const differing = [...names].filter((name) => textOf(found[name]) !== textOf(attributes[name]));
  if (differing.length === 0) return;
  throw new EsparseError(
    'store',
    `${store.describe()}: ${key} exists with other attributes (${differing.join(', ')})`,
    { hint: 'a fingerprint must cover everything that these attributes say; prune into another store' },
  );
}

function textOf(value: unknown): string {
  return value === undefined ? '' : encodeJson(value, 'attributes');
}
