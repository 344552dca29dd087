import type { SamplingParams } from '../sampling/params.ts';
import { createSampler } from '../sampling/sampler.ts';
import { PagePool } from './page-pool.ts';
import { PagedSequence } from './sequence.ts';

/**
 * The sequences of an engine and the pages that they hold. Pages that are released while a step is under way come free
 * when it ends: the device may still write to them.
 */
export class SequencePool {
  readonly pageTokens: number;
  readonly #pages: PagePool;
  readonly #live = new Set<PagedSequence>();
  /** Released during the step that is under way; undefined between steps. */
  #releasedInStep: PagedSequence[] | undefined;

  constructor(pages: number, pageTokens: number) {
    this.#pages = new PagePool(pages);
    this.pageTokens = pageTokens;
  }

  /** Pages that no sequence holds. */
  get free(): number {
    return this.#pages.free;
  }

  /** Pages that a sequence of so many tokens takes. */
  pagesFor(tokens: number): number {
    return Math.ceil(tokens / this.pageTokens);
  }

  /**
   * A new sequence with all the pages that it may need, or `undefined` where not so many are free.
   *
   * @throws EsparseError 'usage' for sampling parameters out of range
   */
  reserve(capacity: number, sampling: SamplingParams): PagedSequence | undefined {
    const sampler = createSampler(sampling);
    const pages = this.#pages.take(this.pagesFor(capacity));
    if (pages === undefined) return undefined;
    const sequence = new PagedSequence({
      pages,
      capacity,
      sampling,
      sampler,
      onRelease: (released) => {
        this.#live.delete(released);
        if (this.#releasedInStep === undefined) this.#pages.give(pages);
        else this.#releasedInStep.push(released);
      },
    });
    this.#live.add(sequence);
    return sequence;
  }

  /** Whether a sequence is of this pool and holds its pages. */
  holds(sequence: PagedSequence): boolean {
    return this.#live.has(sequence);
  }

  /** Runs a step, during which no page changes hands. */
  async duringStep<T>(step: () => Promise<T>): Promise<T> {
    this.#releasedInStep = [];
    try {
      return await step();
    } finally {
      for (const { pages } of this.#releasedInStep) this.#pages.give(pages);
      this.#releasedInStep = undefined;
    }
  }
}
