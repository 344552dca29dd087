import { EsparseError } from '@esparse/errors';

/**
 * The token with the largest logit, the lowest of equal ones.
 *
 * @throws EsparseError 'numeric' where a logit is not a number, or none is finite
 */
export function argmax(logits: Float32Array): number {
  let best = -1;
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    if (logit > largest) {
      largest = logit;
      best = i;
    } else if (Number.isNaN(logit)) {
      throw notNumbers();
    }
  }
  if (best >= 0 && largest < Infinity) return best;
  throw notNumbers();
}

/** The error for logits that are not numbers. */
export function notNumbers(): EsparseError {
  return new EsparseError('numeric', 'the logits of the next token are not numbers', {
    hint: 'a weight or an activation overflows or is not a number: check the model',
  });
}
