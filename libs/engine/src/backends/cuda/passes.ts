import type { BatchPart } from '../backend.ts';

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
