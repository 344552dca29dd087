import { PAGE_TOKENS } from '@esparse/kernels';
import type { PagePool } from './page-pool.ts';

/** A sequence of tokens whose keys and values the engine holds. */
export interface Sequence {
  /** Tokens so far. */
  readonly length: number;
  /** The most tokens, as reserved. */
  readonly capacity: number;
  /** Gives its pages back; again, does nothing. */
  release(): void;
}

/** What the engine knows of a sequence. */
export class PagedSequence implements Sequence {
  readonly pages: Int32Array;
  readonly capacity: number;
  readonly #pool: PagePool;
  #length = 0;
  #released = false;

  /** @param capacity tokens that were asked for: its pages may hold some more */
  constructor(pool: PagePool, pages: Int32Array, capacity: number) {
    this.#pool = pool;
    this.pages = pages;
    this.capacity = capacity;
  }

  get length(): number {
    return this.#length;
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
