import type { Pattern } from '../pattern.ts';
import { canonicalOrder, identityOrder } from '../permutation.ts';
import type { InputHeads, InputSpan, ScoreMatrix } from '../shuffle.ts';
import { globalStep } from './global-step.ts';
import { shuffleOf, type ShuffleStep } from './internals.ts';
import { localStep } from './local-step.ts';

/**
 * The steps of `both`, among the orders alone that an export can fold into the linears before (`esparse export --fold`): any
 * order of what an MLP has activated, one within its heads of what an attention gives, equal where heads share values, the
 * original one of the residual stream, which all blocks share; of a graph, one within the parts of a Concat, the same at every
 * position of a kernel.
 */
const foldableStep: ShuffleStep = {
  async run(matrix, pattern, order, signal) {
    const { reach = 'all' } = matrix;
    if (reach === 'all') return search(matrix, pattern, order, signal);
    if (reach === 'none') return order;
    const found = order.slice();
    for (const span of 'heads' in reach ? spansOf(reach, pattern) : reach) {
      await searchSpan(matrix, span, pattern, found, signal);
    }
    return found;
  },
  bytes: (linear) => {
    const stacked = 4 * linear.rows * linear.cols;
    return stacked + Math.max(globalStep.bytes(linear), localStep.bytes(linear));
  },
};

/**
 * E-Sparse's shuffles among foldable orders.
 *
 * Version 2: of graphs others than the original order are searched.
 */
export const foldable = shuffleOf('foldable', [foldableStep], 2);

async function search(
  matrix: ScoreMatrix,
  pattern: Pattern,
  first: Int32Array,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const dealt = canonicalOrder(await globalStep.run(matrix, pattern, first, signal), pattern.group);
  return localStep.run(matrix, pattern, dealt, signal);
}

/** One order of the channels of a head for all heads that share its values; none where groups would span two heads. */
function spansOf({ heads, kvHeads, headDim }: InputHeads, { group }: Pattern): InputSpan[] {
  if (headDim % group !== 0) return [];
  const shared = heads / kvHeads;
  return Array.from({ length: kvHeads }, (_, kv) => ({
    starts: Array.from({ length: shared }, (__, i) => (kv * shared + i) * headDim),
    length: headDim,
  }));
}

/**
 * Puts the whole groups of a span in one order behind all its starts: their scores lie below one another. What of a group lies
 * in another span stays where it is.
 */
async function searchSpan(
  { scores, rows, cols }: ScoreMatrix,
  { starts, length }: InputSpan,
  pattern: Pattern,
  order: Int32Array,
  signal?: AbortSignal,
): Promise<void> {
  const { group } = pattern;
  // Every start lies alike in its group: what is trimmed is the same behind all.
  const before = (group - (starts[0]! % group)) % group;
  const size = Math.floor((length - before) / group) * group;
  if (size < 2 * group || starts.some((start) => (start + before) % group !== 0)) return;
  const stacked = new Float32Array(starts.length * rows * size);
  starts.forEach((start, i) => {
    for (let row = 0; row < rows; row++) {
      const from = row * cols + start + before;
      stacked.set(scores.subarray(from, from + size), (i * rows + row) * size);
    }
  });
  const matrix = { scores: stacked, rows: starts.length * rows, cols: size };
  const found = await search(matrix, pattern, identityOrder(size), signal);
  for (const start of starts) {
    const from = start + before;
    order.set(
      found.map((channel) => from + channel),
      from,
    );
  }
}
