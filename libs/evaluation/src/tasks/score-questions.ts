import { setImmediate } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import type { Engine, Sequence } from '@esparse/engine';
import { rowsAtOnce } from '../rows-at-once.ts';
import type { EncodedChoice } from './encode-questions.ts';
import { QuestionRun } from './question-run.ts';

/** Questions in one step: enough that short choices fill it. */
const QUESTIONS_AT_ONCE = 16;

export interface ScoreQuestionsOptions {
  readonly engine: Engine;
  readonly signal?: AbortSignal | undefined;
  /** Called with how many questions are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

export interface QuestionScores {
  /** Log-likelihoods of the choices of each question, in nats. */
  readonly scores: readonly (readonly number[])[];
  /** Choices whose contexts lost their beginning, because the engine's context is shorter. */
  readonly cut: number;
}

/** A question that has its memory. */
interface Active {
  readonly index: number;
  readonly run: QuestionRun;
  readonly sequence: Sequence;
}

/**
 * Scores all choices of all questions. Several questions share a step, and the choices of one share what they begin with;
 * the scores are those of each choice by itself, to the last bit.
 *
 * @throws EsparseError 'unavailable' where the cache has no room for a question; 'numeric' where logits are not numbers
 */
export async function scoreQuestions(
  questions: readonly (readonly EncodedChoice[])[],
  { engine, signal, onProgress }: ScoreQuestionsOptions,
): Promise<QuestionScores> {
  const scores = new Array<readonly number[]>(questions.length);
  const active = new Set<Active>();
  let begun = 0;
  let cut = 0;
  let done = 0;

  const admit = () => {
    while (active.size < QUESTIONS_AT_ONCE && begun < questions.length) {
      const fitting = questions[begun]!.map((choice) => shortened(choice, engine.maxContext));
      const run = new QuestionRun(fitting);
      const sequence = engine.reserve(run.capacity);
      if (sequence === undefined) break;
      cut += fitting.filter((choice, i) => choice !== questions[begun]![i]).length;
      active.add({ index: begun++, run, sequence });
    }
    if (active.size > 0) return;
    throw new EsparseError('unavailable', `the key-value cache has no room for question ${begun}`, {
      hint: 'give it more memory',
    });
  };

  try {
    while (done < questions.length) {
      await setImmediate();
      signal?.throwIfAborted();
      admit();
      await step([...active], engine, signal);
      for (const one of active) {
        if (!one.run.ended) continue;
        scores[one.index] = one.run.scores;
        one.sequence.release();
        active.delete(one);
        done++;
        onProgress?.(done);
      }
    }
    return { scores, cut };
  } finally {
    for (const { sequence } of active) sequence.release();
  }
}

/** Appends to as many of the questions as a step takes. */
async function step(
  active: readonly Active[],
  engine: Engine,
  signal: AbortSignal | undefined,
): Promise<void> {
  let tokensLeft = engine.maxStepTokens;
  let rowsLeft = rowsAtOnce(engine.description.vocab);
  const parts = active.flatMap(({ run, sequence }) => {
    const next = run.next(sequence, tokensLeft, rowsLeft);
    if (next.tokens.length === 0) return [];
    tokensLeft -= next.tokens.length;
    if (next.want === 'allLogits') rowsLeft -= next.tokens.length;
    return { run, sequence, ...next };
  });
  const outputs = await engine.step(
    parts.map(({ sequence, tokens, want }) => ({ sequence, tokens, want })),
    signal,
  );
  for (const [i, { run, tokens }] of parts.entries()) await run.take(tokens.length, outputs[i]);
}

/** A choice without the beginning of its context, where all of it does not fit; the last token is only predicted. */
function shortened(choice: EncodedChoice, maxContext: number): EncodedChoice {
  const over = choice.tokens.length - 1 - maxContext;
  if (over <= 0) return choice;
  if (over >= choice.scoredFrom) {
    const scored = choice.tokens.length - choice.scoredFrom;
    throw new EsparseError('text', `a choice of ${scored} tokens does not fit the context of ${maxContext}`);
  }
  return { tokens: choice.tokens.subarray(over), scoredFrom: choice.scoredFrom - over };
}
