import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import { maskLinear } from './mask-linear.ts';
import { packLinear } from './pack-linear.ts';
import type { PackedLinear } from './packed-linear.ts';
import { keptIn } from './unpack-linear.ts';

/** All bits but the sign. */
const MAGNITUDE = 0x7fff;

/**
 * A packed linear with other weights, under the same mask and in the same order.
 *
 * @param weights (rows, cols) in the original order, as bits of its dtype, 0 where the mask prunes
 * @throws EsparseError 'usage' where one that is pruned is not 0
 */
export async function repackLinear(packed: PackedLinear, weights: Uint16Array): Promise<PackedLinear> {
  const { dtype, rows, cols, permutation, pattern } = packed;
  const kept = await keptIn(packed);
  const outside = weights.findIndex((bits, i) => kept[i] === 0 && (bits & MAGNITUDE) !== 0);
  if (outside >= 0) {
    const [row, channel] = [Math.floor(outside / cols), outside % cols];
    throw new EsparseError('usage', `the weight of row ${row}, channel ${channel} is pruned, and not 0`, {
      hint: 'masks stay: give weights only to the survivors',
    });
  }
  // Of every group the survivors are the largest, so that the mask comes out as it was.
  const scores = Float32Array.from(kept);
  const mask = await maskLinear({ scores, rows, cols }, permutation, pattern);
  free(scores);
  const changed = await packLinear({ dtype, weights, rows, cols }, permutation, mask, pattern);
  free(mask);
  return changed;
}
