import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import { cancellable } from './cancellable.ts';
import { column, maxPlus, nthLargest } from './max-plus-reference.ts';
import { checkLength, checkShuffledMatrix } from '../runtime/shuffled-matrix.ts';

/**
 * What each group gains in kept score where the channel in one of its slots makes room for that of another group: row g
 * holds what group g gains with the channel in the slot of each group, zero with its own. No other channel moves, so the
 * gains of an assignment of these channels to the groups add up (RIA, arXiv 2402.17946).
 *
 * @param scores (rows, cols), finite
 * @param permutation (cols): the order in which the groups are formed
 * @param slots (groups): a position of each group
 * @returns (groups, groups) f32: sums over the rows, f32 within 64 of them and f64 across
 * @throws EsparseError 'cancelled' soon after `signal` has aborted
 */
export async function slotGains(
  scores: Float32Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
  slots: Int32Array,
  signal?: AbortSignal,
): Promise<Float32Array> {
  checkShuffledMatrix('scores', scores.length, rows, cols, permutation, keep, group);
  checkLength('slots', slots.length, cols / group);
  slots.forEach((position, g) => {
    if (Math.floor(position / group) === g) return;
    throw new EsparseError('usage', `slot gains: position ${position} is not in group ${g}`);
  });
  const native = addon();
  if (native === null) return slotGainsReference(scores, rows, cols, permutation, keep, group, slots);
  const gains = new Float32Array(slots.length ** 2);
  await cancellable(signal, (cancel) =>
    native.slotGains({ scores, rows, cols, permutation, keep, group, slots, out: gains, cancel }),
  );
  return gains;
}

/** The readable version of `slotGains`. */
export function slotGainsReference(
  scores: Float32Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
  slots: Int32Array,
): Float32Array {
  const groups = slots.length;
  const columnAt = (position: number) => column(scores, rows, cols, permutation[position]!);
  const offered = Array.from(slots, columnAt);
  const gains = new Float32Array(groups * groups);
  slots.forEach((slot, g) => {
    const others = Array.from({ length: group }, (_, m) => g * group + m).filter((p) => p !== slot);
    const threshold = nthLargest(others.map(columnAt), rows, keep);
    const own = maxPlus(offered[g]!, threshold);
    for (let h = 0; h < groups; h++) gains[g * groups + h] = maxPlus(offered[h]!, threshold) - own;
  });
  return gains;
}
