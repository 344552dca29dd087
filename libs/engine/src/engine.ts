import { EsparseError } from '@esparse/errors';
import { PAGE_TOKENS } from '@esparse/kernels';
import type { ModelDescription } from '@esparse/model';
import type { RunAttributes } from '@esparse/model-store';
import { createInterpreter } from './backends/cpu/interpreter.ts';
import type { KeyValueCache } from './backends/cpu/key-value-cache.ts';
import type { ModelWeights, WeightBytes } from './backends/cpu/model-weights.ts';
import { PagePool } from './paging/page-pool.ts';
import { rotaryTables } from './backends/cpu/rotary-tables.ts';
import { PagedSequence, pagesFor, type Sequence } from './paging/sequence.ts';
import { StepLayout } from './backends/cpu/step-layout.ts';

/** What a step does to one sequence. */
export interface StepPart {
  readonly sequence: Sequence;
  /** Appended to the sequence: at least one. */
  readonly tokens: Uint32Array;
  /** After which of these tokens the logits of the next one are wanted. */
  readonly logits: 'none' | 'last' | 'all';
}

/** A model that generates, for many sequences at a time. Not thread-safe: it belongs to the thread that opened it. */
export interface Engine {
  readonly description: ModelDescription;
  /** Fingerprint of the run. */
  readonly run: string;
  /** How the run was made: config.json, pipeline, pattern, shuffle. */
  readonly attributes: RunAttributes;
  readonly weightBytes: WeightBytes;
  /** The longest sequence. */
  readonly maxContext: number;
  /** The most tokens of a step, over all of its parts. */
  readonly maxStepTokens: number;
  readonly pageTokens: typeof PAGE_TOKENS;
  /** Pages of the key-value cache, and bytes of each. */
  readonly pages: number;
  readonly pageBytes: number;
  /** Pages that no sequence holds. */
  freePages(): number;
  /** Pages that a sequence of so many tokens takes. */
  pagesFor(tokens: number): number;
  /**
   * Reserves pages for a sequence of up to `tokens`, all at once, so that it can never be stopped half-way for want of
   * memory. `undefined` where not enough are free.
   *
   * @throws EsparseError 'usage' for less than one token or more than `maxContext`
   */
  reserve(tokens: number): Sequence | undefined;
  /**
   * Appends each part's tokens to its sequence and gives, for each part, the logits that it asks for: (wanted x vocab),
   * valid until the next step. Synchronous. A sequence's logits have the same bits alone and in any batch, and however
   * its tokens are cut into steps. After an error no sequence has changed.
   *
   * @throws EsparseError 'usage' for a sequence that is released, of another engine, full, or named twice; for no tokens
   * or more than `maxStepTokens`; for a token outside the vocabulary
   */
  step(parts: readonly StepPart[]): Float32Array[];
  /** Lets go of the weights and the cache; every later step is refused. */
  close(): Promise<void>;
}

/** What an engine is made of. */
export interface EngineParts {
  readonly run: string;
  readonly description: ModelDescription;
  readonly attributes: RunAttributes;
  readonly weights: ModelWeights;
  readonly cache: KeyValueCache;
  readonly maxContext: number;
  readonly maxStepTokens: number;
  /** Called when the engine is closed. */
  readonly release: () => Promise<void>;
}

const NOTHING = new Float32Array(0);

/** Makes an engine of its parts; see `openEngine`. */
export function createEngine(parts: EngineParts): Engine {
  const { description, weights, cache, maxContext, maxStepTokens } = parts;
  const { vocab } = description;
  const pool = new PagePool(cache.pages);
  const layout = new StepLayout(maxStepTokens, cache.pages);
  const interpreter = createInterpreter({
    description,
    weights,
    cache,
    rotary: rotaryTables(description, maxContext),
    layout,
    maxTokens: maxStepTokens,
  });
  const wanted = new Int32Array(maxStepTokens);
  let open = true;

  return {
    run: parts.run,
    description,
    attributes: parts.attributes,
    weightBytes: weights.bytes,
    maxContext,
    maxStepTokens,
    pageTokens: PAGE_TOKENS,
    pages: cache.pages,
    pageBytes: cache.pageBytes,
    freePages: () => pool.free,
    pagesFor,
    reserve(count) {
      if (!open) throw closed();
      if (!Number.isInteger(count) || count < 1 || count > maxContext) {
        throw new EsparseError(
          'usage',
          `a sequence of ${count} tokens: at least 1 and at most ${maxContext} fit`,
        );
      }
      const pages = pool.take(pagesFor(count));
      return pages && new PagedSequence(pool, pages, count);
    },
    step(stepParts) {
      if (!open) throw closed();
      const sequences = layout.layOut(stepParts, pool, vocab);
      let count = 0;
      let rows = 0;
      for (const part of stepParts) {
        interpreter.tokens.set(part.tokens, count);
        const last = count + part.tokens.length;
        const first = part.logits === 'all' ? count : part.logits === 'last' ? last - 1 : last;
        for (let row = first; row < last; row++) wanted[rows++] = row;
        count = last;
      }
      interpreter.run(count);
      const logits = rows === 0 ? NOTHING : interpreter.logits(wanted, rows);
      let at = 0;
      return stepParts.map((part, i) => {
        sequences[i]!.grow(part.tokens.length);
        const length = part.logits === 'all' ? part.tokens.length : part.logits === 'last' ? 1 : 0;
        return logits.subarray(at, (at += length * vocab));
      });
    },
    async close() {
      if (!open) return;
      open = false;
      await parts.release();
    },
  };
}

function closed(): EsparseError {
  return new EsparseError('usage', 'the engine has been closed');
}
