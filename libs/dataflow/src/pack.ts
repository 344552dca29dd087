import { concatMap, from, map, tap, type OperatorFunction } from 'rxjs';
import { free } from '@esparse/kernels';
import { packLinear, packQuantized } from '@esparse/sparsity';
import { finishFigures } from './figures.ts';
import type { MaskedLinear, PrunedLinear } from './linear.ts';

/**
 * Packs what the mask keeps into the layout of the store, and frees weights, scores and mask at once, since those
 * of the next linear are about to come.
 */
export function pack(): OperatorFunction<MaskedLinear, PrunedLinear> {
  return concatMap((linear) => {
    const { block, name, tap: tapName, rows, cols, pattern, readings, order } = linear;
    const job = { block, name, tap: tapName, rows, cols, pattern, readings };
    const { keptBefore, keptAfter } = order;
    return from(packed(linear)).pipe(
      tap(() => {
        for (const array of [linear.weights, linear.scores, linear.mask]) free(array);
      }),
      map((result) => ({
        ...{ job, packed: result, keptBefore, keptAfter },
        ...(linear.figures && { figures: finishFigures(linear.figures, result) }),
      })),
    );
  });
}

/** As integers where a stage has made some. */
function packed(linear: MaskedLinear): Promise<PrunedLinear['packed']> {
  const { integers, mask, pattern } = linear;
  const { permutation } = linear.order;
  if (integers === undefined) return packLinear(linear, permutation, mask, pattern);
  return packQuantized(integers, linear, { permutation, mask, pattern });
}
