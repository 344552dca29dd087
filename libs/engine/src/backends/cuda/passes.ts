import { PAGE_POSITIONS, type RunWants, type TokenChoice } from '@esparse/cuda';
import type { BatchPart } from '../backend.ts';
import { choiceOf, choosesOnDevice } from './choice-of.ts';

/** One token of a step, and whether its logits are wanted. */
export interface Row {
  readonly part: BatchPart;
  /** Place in the part's tokens. */
  readonly index: number;
  readonly wanted: boolean;
}

/** The tokens of a step in the order of their parts. */
export function rowsOf(parts: readonly BatchPart[]): Row[] {
  return parts.flatMap((part) => {
    const { tokens, want } = part;
    return Array.from(tokens, (_, index) => {
      const last = index === tokens.length - 1;
      return { part, index, wanted: want === 'allLogits' || (want !== 'nothing' && last) };
    });
  });
}

/** The tokens of a step in passes of at most `most`. A text's bits do not depend on where it is cut. */
export function passesOf(parts: readonly BatchPart[], most: number): Row[][] {
  return slicesOf(rowsOf(parts), most);
}

export function slicesOf<T>(all: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, i) => all.slice(i * most, (i + 1) * most));
}

/**
 * Which parts are pieces of prompts, for the kernels of prefill. A sequence's prompt ends with the first token that is
 * sampled: wherever a prompt is cut, and whatever stands beside it, the same kernels compute it.
 *
 * @param prefills whether the device has such kernels; else all tokens go through those of decoding
 */
export function promptsOf(parts: readonly BatchPart[], prefills: boolean) {
  const isPrompt = ({ sequence }: BatchPart) => prefills && sequence.promptTokens === undefined;
  return { prompts: parts.filter(isPrompt), others: parts.filter((part) => !isPrompt(part)) };
}

/**
 * What a pass is for: see `RunWants`.
 *
 * @param limits the longest sequence, in tokens, and the vocabulary
 * @param alone whether the step is this pass only: otherwise the next one will hardly be its rows again
 */
export function wantsOf(
  rows: readonly Row[],
  { maxContext, vocab }: { readonly maxContext: number; readonly vocab: number },
  alone: boolean,
): RunWants {
  const several = rows.some(({ part }, i) => i > 0 && rows[i - 1]!.part === part);
  const head = rows.some(({ wanted }) => wanted);
  const onDevice = !several && rows.every(({ part }) => choosesOnDevice(part, vocab));
  const continues = rows.every(({ part: { sequence } }) => {
    const next = sequence.length + 1;
    return next < maxContext && next < sequence.pages.length * PAGE_POSITIONS;
  });
  return {
    several,
    head,
    likeliest: onDevice,
    continues: alone && onDevice && continues,
    choices: onDevice ? choicesOf(rows) : undefined,
  };
}

/** How the tokens of rows are chosen; none where all are the likeliest, and nothing is told of them. */
export function choicesOf(rows: readonly Row[]): TokenChoice[] | undefined {
  const plain = ({ part: { sequence } }: Row) =>
    sequence.sampler.greedy && sequence.sampling.logprobs === undefined;
  return rows.every(plain) ? undefined : rows.map(({ part }) => choiceOf(part));
}

/** Gives each object a number of its own. */
export function numbering(): (of: object) => number {
  const numbers = new WeakMap<object, number>();
  let next = 0;
  return (of) => {
    const known = numbers.get(of);
    if (known !== undefined) return known;
    next = (next + 1) & 0x7fffffff;
    numbers.set(of, next);
    return next;
  };
}
