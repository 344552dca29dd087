import { logSumExp as logSumExpOfRows } from '@esparse/kernels';
import { notNumbers } from './argmax.ts';

/** Log-probabilities of a token and of the most likely ones in its place, in nats, of the plain softmax. */
export interface TopLogprobs {
  /** Of the token itself. */
  readonly logprob: number;
  /** The most likely tokens, the first of them first; of equal ones the lower first. */
  readonly ids: number[];
  /** Their log-probabilities. */
  readonly logprobs: number[];
}

/**
 * log Σ e^logit, in f64.
 *
 * @throws EsparseError 'numeric' where it is not a number
 */
export function logSumExp(logits: Float32Array): number {
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > largest) largest = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  const total = largest + Math.log(sum);
  if (Number.isFinite(total)) return total;
  throw notNumbers();
}

/**
 * log Σ e^logit of each row of (rows x vocab), in f64, on all threads while this one goes on; the logits must not change
 * until then. In the last bits it may differ from `logSumExp`.
 *
 * @throws EsparseError 'numeric' where one is not a number
 */
export async function logSumExps(logits: Float32Array, vocab: number): Promise<Float64Array> {
  const totals = await logSumExpOfRows(logits, logits.length / vocab, vocab);
  if (totals.some(Number.isNaN)) throw notNumbers();
  return totals;
}

/**
 * The log-probability of a token, and those of the `k` most likely ones.
 *
 * @throws EsparseError 'numeric' where logits are not numbers
 */
export function topLogprobs(logits: Float32Array, token: number, k: number): TopLogprobs {
  const total = logSumExp(logits);
  // An insertion into so short a list costs less than a heap.
  const ids: number[] = [];
  for (let i = 0; i < logits.length && k > 0; i++) {
    const logit = logits[i]!;
    if (ids.length === k && logit <= logits[ids[k - 1]!]!) continue;
    if (ids.length === k) ids.pop();
    let at = ids.length;
    while (at > 0 && logits[ids[at - 1]!]! < logit) at--;
    ids.splice(at, 0, i);
  }
  return { logprob: logits[token]! - total, ids, logprobs: ids.map((id) => logits[id]! - total) };
}
