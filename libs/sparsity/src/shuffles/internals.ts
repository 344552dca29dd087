import { EsparseError } from '@esparse/errors';
import { channelMeans, keptScore, MAX_BLOCK, swapSearch } from '@esparse/kernels';
import type { Pattern } from '../pattern.ts';
import { canonicalOrder, identityOrder } from '../permutation.ts';
import { defineShuffle, type ScoreMatrix, type Shuffle } from '../shuffle.ts';

/** A step from one order to a better one; a long one ends early where the signal aborts. */
export type ShuffleStep = (
  matrix: ScoreMatrix,
  pattern: Pattern,
  order: Int32Array,
  signal?: AbortSignal,
) => Promise<Int32Array>;

/**
 * What makes a shuffle that takes its steps one after the other, from the original order.
 *
 * @param version raised where the same scores may get another order
 */
export function shuffleOf(name: string, steps: readonly ShuffleStep[], version = 1): () => Shuffle {
  return defineShuffle({
    name,
    version,
    async order(matrix, pattern, { signal }) {
      const kept = (order: Int32Array) =>
        keptScore(matrix.scores, matrix.rows, matrix.cols, order, pattern.keep, pattern.group);
      let permutation = identityOrder(matrix.cols);
      const keptBefore = await kept(permutation);
      if (steps.length === 0) return { permutation, keptBefore, keptAfter: keptBefore };
      for (const step of steps) {
        if (signal?.aborted === true) {
          throw new EsparseError('cancelled', `shuffle ${name}: cancelled`, { cause: signal.reason });
        }
        permutation = canonicalOrder(await step(matrix, pattern, permutation, signal), pattern.group);
      }
      return { permutation, keptBefore, keptAfter: await kept(permutation) };
    },
  });
}

/**
 * Global naive shuffle: channels by mean score, descending (of equal ones the lower channel first), are dealt
 * to the groups one each, back and forth. Looks at the scores only, not at the order before.
 */
export async function globalStep(matrix: ScoreMatrix, { group }: Pattern): Promise<Int32Array> {
  const { scores, rows, cols } = matrix;
  const means = await channelMeans(scores, rows, cols);
  const ranked = identityOrder(cols).sort((a, b) => means[b]! - means[a]! || a - b);
  const groups = cols / group;
  const order = new Int32Array(cols);
  ranked.forEach((channel, rank) => {
    const pass = Math.floor(rank / groups);
    const along = rank % groups;
    const g = pass % 2 === 0 ? along : groups - 1 - along;
    order[g * group + pass] = channel;
  });
  return order;
}

/** Local block shuffle: swaps within blocks of the largest multiple of the group up to 256 positions. */
export async function localStep(
  matrix: ScoreMatrix,
  { keep, group }: Pattern,
  order: Int32Array,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const { scores, rows, cols } = matrix;
  const blockSize = MAX_BLOCK - (MAX_BLOCK % group);
  return (await swapSearch(scores, rows, cols, order, keep, group, blockSize, signal)).permutation;
}
