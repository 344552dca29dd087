import { channelMeans } from '@esparse/kernels';
import type { Pattern } from '../pattern.ts';
import { identityOrder } from '../permutation.ts';
import { channelMeansOn } from './device/scores.ts';
import type { ShuffleStep } from './internals.ts';

/**
 * Global naive shuffle: channels by mean score, descending (of equal ones the lower channel first), are dealt
 * to the groups one each, back and forth. Looks at the scores only, not at the order before.
 */
export const globalStep: ShuffleStep = {
  run: async ({ scores, rows, cols }, pattern) => dealt(await channelMeans(scores, rows, cols), pattern),
  runOn: async (scores, pattern) => dealt(await channelMeansOn(scores), pattern),
  // Means in f64, ranks, and two orders.
  bytes: ({ cols }) => 20 * cols,
};

function dealt(means: Float64Array, { group }: Pattern): Int32Array {
  const cols = means.length;
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
