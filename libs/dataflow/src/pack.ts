import { concatMap, from, map, type OperatorFunction } from 'rxjs';
import { packLinear, type Pattern } from '@esparse/sparsity';
import type { MaskedLinear, PrunedLinear } from './linear.ts';

/** Packs what the mask keeps into the layout of the store, and lets weights, scores and mask go. */
export function pack(pattern: Pattern): OperatorFunction<MaskedLinear, PrunedLinear> {
  return concatMap((linear) => {
    const { block, name, tap, rows, cols, statistics, order } = linear;
    const job = { block, name, tap, rows, cols, statistics };
    const { keptBefore, keptAfter } = order;
    return from(packLinear(linear, order.permutation, linear.mask, pattern)).pipe(
      map((packed) => ({ job, packed, pattern, keptBefore, keptAfter })),
    );
  });
}
