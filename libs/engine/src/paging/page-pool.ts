/** The pages of the key-value cache that no sequence holds: a stack, so that memory once touched is used again first. */
export class PagePool {
  readonly pages: number;
  readonly #free: Int32Array;
  #count: number;

  constructor(pages: number) {
    this.pages = pages;
    this.#free = Int32Array.from({ length: pages }, (_, i) => pages - 1 - i);
    this.#count = pages;
  }

  get free(): number {
    return this.#count;
  }

  /** Takes pages, or none where not so many are free. */
  take(count: number): Int32Array | undefined {
    if (count > this.#count) return undefined;
    this.#count -= count;
    // The top of the stack first.
    return this.#free.slice(this.#count, this.#count + count).reverse();
  }

  /** Gives pages back; each only once. */
  give(pages: Int32Array): void {
    for (let i = pages.length - 1; i >= 0; i--) this.#free[this.#count++] = pages[i]!;
  }
}
