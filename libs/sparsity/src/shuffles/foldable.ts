import type { Pattern } from '../pattern.ts';
import { canonicalOrder, identityOrder } from '../permutation.ts';
import type { InputHeads, ScoreMatrix } from '../shuffle.ts';
import { globalStep } from './global-step.ts';
import { shuffleOf, type ShuffleStep } from './internals.ts';
import { localStep } from './local-step.ts';

/**
 * The steps of `both`, among the orders alone that an export can fold into the linears before (`esparse export --fold`): any
 * order of what an MLP has activated, one within its heads of what an attention gives, equal where heads share values, and the
 * original one of the residual stream, which all blocks share.
 */
const foldableStep: ShuffleStep = {
  async run(matrix, pattern, order, signal) {
    const { reach = 'all' } = matrix;
    if (reach === 'all') return search(matrix, pattern, order, signal);
    if (reach === 'none' || reach.headDim % pattern.group !== 0) return order;
    return searchHeads(matrix, reach, pattern, signal);
  },
  bytes: (linear) => {
    const stacked = 4 * linear.rows * linear.cols;
    return stacked + Math.max(globalStep.bytes(linear), localStep.bytes(linear));
  },
};

/** E-Sparse's shuffles among foldable orders. */
export const foldable = shuffleOf('foldable', [foldableStep]);

async function search(
  matrix: ScoreMatrix,
  pattern: Pattern,
  first: Int32Array,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const dealt = canonicalOrder(await globalStep.run(matrix, pattern, first, signal), pattern.group);
  return localStep.run(matrix, pattern, dealt, signal);
}

/** One order of the channels of a head for all heads that share its values: their scores lie below one another. */
async function searchHeads(
  { scores, rows, cols }: ScoreMatrix,
  { heads, kvHeads, headDim }: InputHeads,
  pattern: Pattern,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const shared = heads / kvHeads;
  const order = new Int32Array(cols);
  for (let kv = 0; kv < kvHeads; kv++) {
    const stacked = new Float32Array(shared * rows * headDim);
    for (let i = 0; i < shared; i++) {
      const from = (kv * shared + i) * headDim;
      for (let row = 0; row < rows; row++) {
        const values = scores.subarray(row * cols + from, row * cols + from + headDim);
        stacked.set(values, (i * rows + row) * headDim);
      }
    }
    const matrix = { scores: stacked, rows: shared * rows, cols: headDim };
    const found = await search(matrix, pattern, identityOrder(headDim), signal);
    for (let i = 0; i < shared; i++) {
      const from = (kv * shared + i) * headDim;
      order.set(
        found.map((channel) => from + channel),
        from,
      );
    }
  }
  return order;
}
