import type { BatchPart } from '../backend.ts';

/** One token of a step: which of its part, and whether its logits are wanted. */
export interface Row {
  readonly part: number;
  /** Place in the part's tokens. */
  readonly index: number;
  readonly wanted: boolean;
}

/**
 * The tokens of a step in the order of their parts, cut into passes of at most `most`. A text's bits do not depend on
 * where it is cut.
 */
export function passesOf(parts: readonly BatchPart[], most: number): Row[][] {
  const passes: Row[][] = [];
  let pass: Row[] = [];
  for (const [part, { tokens, want }] of parts.entries()) {
    for (let index = 0; index < tokens.length; index++) {
      if (pass.length === most) {
        passes.push(pass);
        pass = [];
      }
      const last = index === tokens.length - 1;
      pass.push({ part, index, wanted: want === 'allLogits' || (want !== 'nothing' && last) });
    }
  }
  if (pass.length > 0) passes.push(pass);
  return passes;
}
