import { MemoryObjectStore } from '../memory-object-store.ts';

/**
 * A bucket whose process dies at its n-th change: that change happens or does not (`happens`), and no call
 * works any more. `objects` is what another process then finds.
 */
export class FailingObjectStore extends MemoryObjectStore {
  /** Changes made so far: puts, deletions and flushes. */
  changes = 0;
  readonly #failAt: number;
  readonly #happens: boolean;

  constructor(failAt: number, happens: boolean) {
    super();
    this.#failAt = failAt;
    this.#happens = happens;
  }

  override put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#change(() => super.put(key, parts));
  }

  override delete(key: string): Promise<void> {
    return this.#change(() => super.delete(key));
  }

  override deletePrefix(folder: string): Promise<void> {
    return this.#change(() => super.deletePrefix(folder));
  }

  override sync(): Promise<void> {
    return this.#change(() => super.sync());
  }

  async #change(make: () => Promise<void>): Promise<void> {
    this.changes++;
    if (this.changes < this.#failAt) return make();
    if (this.changes === this.#failAt && this.#happens) await make();
    throw new Error('the process died');
  }
}
