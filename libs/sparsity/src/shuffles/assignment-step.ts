import { assign, keptScore, slotGains } from '@esparse/kernels';
import type { ShuffleStep } from './internals.ts';

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
 * Each sweep brings other channels together: group g gives the one `sweep * g` positions on from its first.
 */
export const assignmentStep: ShuffleStep = {
  async run({ scores, rows, cols }, { keep, group }, start, signal) {
    const groups = cols / group;
    const kept = (order: Int32Array) => keptScore(scores, rows, cols, order, keep, group);
    let order = start;
    let best = await kept(order);
    for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
      const before = best;
      for (let slot = 0; slot < group; slot++) {
        const slots = Int32Array.from({ length: groups }, (_, g) => g * group + ((slot + sweep * g) % group));
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
  },
  // The gains of an assignment, f32 (groups, groups), beside those of the one before, which may not be collected yet.
  bytes: ({ cols, pattern }) => 2 * 4 * (cols / pattern.group) ** 2,
};
