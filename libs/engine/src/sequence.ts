import { PAGE_TOKENS } from '@esparse/kernels';
import type { PagePool } from './page-pool.ts';

/** A sequence of tokens whose keys and values the engine holds. */
export interface Sequence {
  /** Tokens so far. */
  readonly length: number;
  /** The most tokens that its pages hold. */
  readonly capacity: number;
  /** Gives its pages back; again, does nothing. */
  release(): void;
}

/** What the engine knows of a sequence. */
export class PagedSequence implements Sequence {
  readonly pages: Int32Array;
  readonly #pool: PagePool;
  #length = 0;
  #released = false;

  constructor(pool: PagePool, pages: Int32Array) {
    this.#pool = pool;
    this.pages = pages;
  }

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.pages.length * PAGE_TOKENS;
  }

  get released(): boolean {
    return this.#released;
  }

  /** Whether its pages are of this pool: whether it is this engine's. */
  isOf(pool: PagePool): boolean {
    return this.#pool === pool;
  }

  grow(tokens: number): void {
    this.#length += tokens;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#pool.give(this.pages);
  }
}

/** Pages that a sequence of so many tokens takes. */
export function pagesFor(tokens: number): number {
  return Math.ceil(tokens / PAGE_TOKENS);
}
