import { EsparseError } from '@esparse/errors';
import type { BatchLayout } from '@esparse/kernels';
import type { StepPart } from '../../engine.ts';
import type { PagePool } from '../../paging/page-pool.ts';
import { PagedSequence } from '../../paging/sequence.ts';

/** Where the tokens of a step stand: memory for the largest step, filled anew for each. */
export class StepLayout implements BatchLayout {
  readonly positions: Int32Array;
  readonly pageTableOffsets: Int32Array;
  readonly pageTable: Int32Array;

  /** @param pages of the cache: no step names more, since no two sequences share one */
  constructor(maxTokens: number, pages: number) {
    this.positions = new Int32Array(maxTokens);
    this.pageTableOffsets = new Int32Array(maxTokens);
    this.pageTable = new Int32Array(pages);
  }

  /**
   * Checks a step and lays out its tokens; gives the parts' sequences.
   *
   * @throws EsparseError 'usage'; see `Engine.step`
   */
  layOut(parts: readonly StepPart[], pool: PagePool, vocab: number): PagedSequence[] {
    const sequences = check(parts, pool, this.positions.length, vocab);
    let token = 0;
    let table = 0;
    for (const [part, { length, pages }] of sequences.entries()) {
      const count = parts[part]!.tokens.length;
      for (let i = 0; i < count; i++, token++) {
        this.positions[token] = length + i;
        this.pageTableOffsets[token] = table;
      }
      this.pageTable.set(pages, table);
      table += pages.length;
    }
    return sequences;
  }
}

function check(
  parts: readonly StepPart[],
  pool: PagePool,
  maxTokens: number,
  vocab: number,
): PagedSequence[] {
  const seen = new Set<PagedSequence>();
  let total = 0;
  for (const { sequence, tokens } of parts) {
    if (!(sequence instanceof PagedSequence) || !sequence.isOf(pool))
      throw usage('a sequence of another engine');
    if (sequence.released) throw usage('a sequence that has been released');
    if (seen.has(sequence)) throw usage('the same sequence twice');
    seen.add(sequence);
    if (tokens.length === 0) throw usage('a part without tokens');
    if (sequence.length + tokens.length > sequence.capacity) {
      throw usage(`${sequence.length + tokens.length} tokens in a sequence of at most ${sequence.capacity}`);
    }
    const outside = tokens.find((token) => token >= vocab);
    if (outside !== undefined) throw usage(`token ${outside}, outside the vocabulary of ${vocab}`);
    total += tokens.length;
  }
  if (total === 0) throw usage('no tokens');
  if (total > maxTokens) throw usage(`${total} tokens, more than the ${maxTokens} of a step`);
  return [...seen];
}

function usage(what: string): EsparseError {
  return new EsparseError('usage', `a step was given ${what}`);
}
