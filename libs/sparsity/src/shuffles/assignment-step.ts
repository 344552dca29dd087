import { assign, keptScore, slotGains } from '@esparse/kernels';
import type { Pattern } from '../pattern.ts';
import type { ScoreMatrix } from '../shuffle.ts';

/** Sweeps over the slots at most. Those tried took 4 to 8. */
const MAX_SWEEPS = 16;

/**
 * A sweep that gains no more than this share of the kept score is the last one. All sweeps gain some 1 %, the first four
 * fifths of that; those after this one would bring a few hundredths.
 */
const WORTHWHILE = 1e-4;

/**
 * Takes a channel out of every group and assigns these to the groups anew, so that the kept score is the largest; so for
 * each of the group's M slots, in sweeps until one is not worth its time. Never lowers the kept score.
 *
 * From sweep to sweep other channels meet: group g gives the one `sweep * g` places on from its first.
 */
export async function assignmentStep(
  { scores, rows, cols }: ScoreMatrix,
  { keep, group }: Pattern,
  start: Int32Array,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const groups = cols / group;
  const kept = (order: Int32Array) => keptScore(scores, rows, cols, order, keep, group);
  let order = start;
  let best = await kept(order);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    const before = best;
    for (let turn = 0; turn < group; turn++) {
      const slots = Int32Array.from({ length: groups }, (_, g) => g * group + ((turn + sweep * g) % group));
      const gains = await slotGains(scores, rows, cols, order, keep, group, slots, signal);
      const columns = await assign(gains, groups, signal);
      const assigned = order.slice();
      columns.forEach((h, g) => (assigned[slots[g]!] = order[slots[h]!]!));
      // Gains are rounded: a handful of them may add up to a loss in the last place.
      const found = await kept(assigned);
      if (found > best) [order, best] = [assigned, found];
    }
    if (best - before <= WORTHWHILE * best) break;
  }
  return order;
}
