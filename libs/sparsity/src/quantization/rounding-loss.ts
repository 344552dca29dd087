import { widenReference } from '@esparse/kernels';
import { EVERYTHING, type IntegerWeights, type Survivors } from './integer-weights.ts';
import { survives } from './round-linear.ts';

/** Part of a linear's energy that rounding may take: beyond, as where one outlier makes all others zero, it keeps 16 bits. */
export const MAX_ROUNDING_LOSS = 0.05;

/** The squared error of rounding over the sum of squares of the survivors; 0 where these are all zero. */
export function roundingLoss(
  { integers, scales, span }: IntegerWeights,
  { weights, rows, cols }: { readonly weights: Float32Array; readonly rows: number; readonly cols: number },
  survivors?: Survivors,
): number {
  const size = span * (survivors?.pattern ?? EVERYTHING).group;
  const spans = Math.ceil(cols / size);
  const widths = widenReference('bf16', scales);
  let [error, energy] = [0, 0];
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      if (survivors !== undefined && !survives(survivors.mask, cols, r, i)) continue;
      const at = r * cols + (survivors?.permutation[i] ?? i);
      energy += weights[at]! ** 2;
      error += (weights[at]! - integers[at]! * widths[r * spans + Math.floor(i / size)]!) ** 2;
    }
  }
  return energy === 0 ? 0 : error / energy;
}
