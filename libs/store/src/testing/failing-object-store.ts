import { ObjectStore, type ByteSource, type PutOptions } from '@esparse/storage';

/**
 * Objects of a process that dies at its n-th change: that change happens or does not (`happens`), and no later one does.
 * What the medium then holds is what another process finds. It takes no lock, which a process that dies would leave behind.
 */
export class FailingObjectStore extends ObjectStore {
  /** Changes made so far: puts, deletions and flushes. */
  changes = 0;
  readonly #objects: ObjectStore;
  readonly #failAt: number;
  readonly #happens: boolean;

  constructor(objects: ObjectStore, failAt: number, happens: boolean) {
    super();
    this.#objects = objects;
    this.#failAt = failAt;
    this.#happens = happens;
  }

  describe(): string {
    return this.#objects.describe();
  }

  open(key: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    return this.#objects.open(key, signal);
  }

  list(folder: string): AsyncIterable<string> {
    return this.#objects.list(folder);
  }

  override size(key: string): Promise<number | undefined> {
    return this.#objects.size(key);
  }

  override children(folder: string): Promise<string[]> {
    return this.#objects.children(folder);
  }

  put(key: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<void> {
    return this.#change(() => this.#objects.put(key, parts, options));
  }

  delete(key: string): Promise<void> {
    return this.#change(() => this.#objects.delete(key));
  }

  /** A medium removes a folder in whatever order it likes: here one object after the other, from the first or the last. */
  override async deletePrefix(folder: string): Promise<void> {
    const keys: string[] = [];
    for await (const key of this.#objects.list(folder)) keys.push(key);
    for (const key of this.#happens ? keys : keys.reverse()) await this.delete(key);
    await this.#change(() => this.#objects.deletePrefix(folder));
  }

  override sync(folders: readonly string[]): Promise<void> {
    return this.#change(() => this.#objects.sync(folders));
  }

  async #change(make: () => Promise<void>): Promise<void> {
    this.changes++;
    if (this.changes < this.#failAt) return make();
    if (this.changes === this.#failAt && this.#happens) await make();
    throw new Error('the process died');
  }
}
