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

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#onRelease(this);
  }
}
