import { EsparseError } from '@esparse/errors';
import type { BatchPart, BatchSequence } from '../backends/backend.ts';
import type { SamplingParams } from '../sampling/params.ts';
import type { Sampler } from '../sampling/sampler.ts';
import type { TokenHistory } from '../sampling/sampling-option.ts';

/** A sequence of tokens whose keys and values the engine holds. */
export interface Sequence {
  /** Tokens so far. */
  readonly length: number;
  /** The most tokens, as reserved. */
  readonly capacity: number;
  /** Whether its pages were given back. */
  readonly released: boolean;
  /**
   * Takes it back to its first `length` tokens: others may follow them, and are given the same bits as in a sequence of
   * their own. So texts that begin alike share the work for their beginning. No step with it is under way.
   *
   * @throws EsparseError 'usage' for a length that it does not have
   */
  rewind(length: number): void;
  /** Gives its pages back, after the step that is under way; again, does nothing. */
  release(): void;
}

/** What a sequence is reserved with. */
export interface PagedSequenceParts {
  readonly pages: Int32Array;
  /** Tokens that were asked for: its pages may hold some more. */
  readonly capacity: number;
  readonly sampling: SamplingParams;
  readonly sampler: Sampler;
  /** Called once, when it is released. */
  readonly onRelease: (sequence: PagedSequence) => void;
}

/** What the engine knows of a sequence. */
export class PagedSequence implements Sequence, BatchSequence {
  readonly pages: Int32Array;
  readonly capacity: number;
  readonly sampling: SamplingParams;
  readonly sampler: Sampler;
  readonly #onRelease: (sequence: PagedSequence) => void;
  readonly #tokens: Uint32Array;
  #length = 0;
  #promptTokens: number | undefined;
  #released = false;

  constructor({ pages, capacity, sampling, sampler, onRelease }: PagedSequenceParts) {
    this.pages = pages;
    this.capacity = capacity;
    this.sampling = sampling;
    this.sampler = sampler;
    this.#onRelease = onRelease;
    this.#tokens = new Uint32Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  get promptTokens(): number | undefined {
    return this.#promptTokens;
  }

  get released(): boolean {
    return this.#released;
  }

  /** The prompt is what lies before the first token that is sampled. */
  history({ tokens }: BatchPart): TokenHistory {
    const length = this.#length + tokens.length;
    this.#tokens.set(tokens, this.#length);
    return { tokens: this.#tokens.subarray(0, length), promptTokens: this.#promptTokens ?? length };
  }

  /** Takes in the tokens of a step that has succeeded. */
  append({ tokens, want }: BatchPart): void {
    this.#tokens.set(tokens, this.#length);
    this.#length += tokens.length;
    if (want === 'token') this.#promptTokens ??= this.#length;
  }

  rewind(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw new EsparseError('usage', `a sequence of ${this.#length} tokens is not taken back to ${length}`);
    }
    this.#length = length;
    if (this.#promptTokens !== undefined && this.#promptTokens > length) this.#promptTokens = undefined;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#onRelease(this);
  }
}
