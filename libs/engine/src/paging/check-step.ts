import { EsparseError } from '@esparse/errors';
import type { BatchPart } from '../backends/backend.ts';
import type { StepPart } from '../engine.ts';
import type { SequencePool } from './sequence-pool.ts';
import { PagedSequence } from './sequence.ts';

/** What a step is checked against. */
export interface StepBounds {
  readonly sequences: SequencePool;
  readonly vocab: number;
  readonly maxStepTokens: number;
}

/**
 * Checks that a step can be.
 *
 * @throws EsparseError 'usage'; see `Engine.step`
 */
export function checkStep(
  parts: readonly StepPart[],
  bounds: StepBounds,
): asserts parts is readonly CheckedPart[] {
  const seen = new Set<PagedSequence>();
  let total = 0;
  for (const part of parts) {
    const sequence = ownSequence(part, bounds);
    if (seen.has(sequence)) throw refused('the same sequence twice');
    seen.add(sequence);
    checkTokens(part, bounds);
    total += part.tokens.length;
  }
  if (total === 0) throw refused('no tokens');
  if (total > bounds.maxStepTokens) {
    throw refused(`${total} tokens, more than the ${bounds.maxStepTokens} of a step`);
  }
}

/** A part of a step that can be. */
export interface CheckedPart extends BatchPart {
  readonly sequence: PagedSequence;
}

function ownSequence({ sequence }: StepPart, { sequences }: StepBounds): PagedSequence {
  if (!(sequence instanceof PagedSequence)) throw refused('a sequence of another engine');
  if (sequence.released) throw refused('a sequence that has been released');
  if (!sequences.holds(sequence)) throw refused('a sequence of another engine');
  return sequence;
}

function checkTokens({ sequence, tokens }: StepPart, { vocab }: StepBounds): void {
  if (tokens.length === 0) throw refused('a part without tokens');
  const length = sequence.length + tokens.length;
  if (length > sequence.capacity) {
    throw refused(`${length} tokens in a sequence of at most ${sequence.capacity}`);
  }
  const outside = tokens.find((token) => token >= vocab);
  if (outside !== undefined) throw refused(`token ${outside}, outside the vocabulary of ${vocab}`);
}

function refused(what: string): EsparseError {
  return new EsparseError('usage', `a step was given ${what}`);
}
