import { layerNorm, rmsNorm, type Linear } from '@esparse/kernels';
import type { ModelDescription } from '@esparse/model';
import type { FinalNorm } from './model-weights.ts';

/** What lies behind the last block: final norm and head, for the rows whose logits are wanted. */
export interface LogitsHead {
  /**
   * The logits (rows x vocab) of some rows of the hidden states; valid until the next call.
   *
   * @param rows which rows of `hidden`, as many as `count` says
   */
  logits(hidden: Float32Array, rows: Int32Array, count: number): Float32Array;
}

/** Its memory grows to the most rows that were ever wanted at once. */
export function createLogitsHead(
  { hidden: width, vocab }: ModelDescription,
  { weight, bias, epsilon }: FinalNorm,
  head: Linear,
): LogitsHead {
  let states = new Float32Array(width);
  let normal = new Float32Array(width);
  let logits = new Float32Array(vocab);
  return {
    logits(hidden, rows, count) {
      if (states.length < count * width) {
        states = new Float32Array(count * width);
        normal = new Float32Array(count * width);
        logits = new Float32Array(count * vocab);
      }
      for (let i = 0; i < count; i++) {
        const from = rows[i]! * width;
        states.set(hidden.subarray(from, from + width), i * width);
      }
      if (bias === undefined) rmsNorm(states, weight, epsilon, count, normal);
      else layerNorm(states, weight, bias, epsilon, count, normal);
      const out = logits.subarray(0, count * vocab);
      head.apply(normal.subarray(0, count * width), count, out);
      return out;
    },
  };
}
