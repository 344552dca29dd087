import type { ChoiceDelta } from './choice.ts';
import { atEndOfTurn } from './end-of-turn.ts';

/** Estimated bytes of a token that is reported, and of each of the most likely ones beside it, as JSON. */
const TOKEN_BYTES = 96;

export interface UnreadDeltasOptions {
  /** The most bytes that may wait for the reader. */
  readonly maxBytes: number;
  /** Most probable tokens that are reported beside each. */
  readonly alternatives: number;
}

/**
 * What the reader of a generation has not read yet. Deltas of the same text are joined while they wait, so a slow reader
 * gets more at a time, and there are never more than texts. So does every reader where this thread falls behind the engine's:
 * what comes in one turn of the event loop is read together, and written at once.
 */
export class UnreadDeltas implements AsyncIterable<readonly ChoiceDelta[]> {
  readonly #maxBytes: number;
  readonly #tokenBytes: number;
  readonly #deltas = new Map<number, ChoiceDelta>();
  #bytes = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor({ maxBytes, alternatives }: UnreadDeltasOptions) {
    this.#maxBytes = maxBytes;
    this.#tokenBytes = TOKEN_BYTES * (1 + alternatives);
  }

  /** Adds a delta; gives whether it found room. Without room everything that waits is dropped. */
  add(delta: ChoiceDelta): boolean {
    const before = this.#deltas.get(delta.index);
    this.#deltas.set(delta.index, before === undefined ? delta : joined(before, delta));
    this.#bytes += delta.text.length + delta.tokens.length * this.#tokenBytes;
    if (this.#bytes > this.#maxBytes) {
      this.#deltas.clear();
      return false;
    }
    this.#wakeReader();
    return true;
  }

  /** Nothing more comes: the reader gets what waits, then the first error that was given, if any. */
  end(error?: Error): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wakeReader();
  }

  #wakeReader(): void {
    if (this.#wake !== undefined) atEndOfTurn(this.#wake);
    this.#wake = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly ChoiceDelta[], void, undefined> {
    for (;;) {
      if (this.#deltas.size > 0) {
        const deltas = [...this.#deltas.values()];
        this.#deltas.clear();
        this.#bytes = 0;
        yield deltas;
      } else if (this.#error !== undefined) throw this.#error;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function joined(before: ChoiceDelta, delta: ChoiceDelta): ChoiceDelta {
  return {
    ...delta,
    text: before.text + delta.text,
    tokens: delta.tokens.length === 0 ? before.tokens : [...before.tokens, ...delta.tokens],
  };
}
