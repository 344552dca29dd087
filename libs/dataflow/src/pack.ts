import {
  concatMap,
  finalize,
  forkJoin,
  from,
  map,
  of,
  tap,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import { EsparseError } from '@esparse/errors';
import { free, widen } from '@esparse/kernels';
import { packLinear, packQuantized, type OwnEncoding } from '@esparse/sparsity';
import { encoded } from './encoded.ts';
import { figuresOf } from './figures.ts';
import type { GuardOptions } from './guard.ts';
import type { MaskedLinear, PrunedLinear } from './linear.ts';

/**
 * Packs what the mask keeps into the layout of the store, and frees weights, scores and mask at once, since those
 * of the next linear are about to come.
 *
 * @param encoding what they are stored in, where that does not come with esparse
 */
export function pack(
  encoding?: OwnEncoding,
  guard?: GuardOptions,
): OperatorFunction<MaskedLinear, PrunedLinear> {
  return concatMap((linear) => {
    const { block, name, tap: tapName, rows, cols, pattern, readings, order } = linear;
    const job = { block, name, tap: tapName, rows, cols, pattern, readings };
    const { keptBefore, keptAfter } = order;
    return packed(linear, encoding, guard).pipe(
      tap(() => {
        for (const array of [linear.weights, linear.scores, linear.mask])
          if (array !== undefined) free(array);
      }),
      concatMap((result) => forkJoin([of(result), figuresOf(linear, result)])),
      map(([result, figures]) => ({
        ...{ job, packed: result, keptBefore, keptAfter },
        ...(figures && { figures }),
      })),
    );
  });
}

/** In an encoding of one's own where there is one, as integers where a stage has made some. */
function packed(
  linear: MaskedLinear,
  encoding: OwnEncoding | undefined,
  guard: GuardOptions | undefined,
): Observable<PrunedLinear['packed']> {
  const { integers, mask, pattern, dtype, weights } = linear;
  const { permutation } = linear.order;
  const survivors = { permutation, mask, pattern };
  if (encoding !== undefined) {
    if (integers !== undefined) throw encodedTwice(encoding);
    return from(widen(dtype, weights)).pipe(
      concatMap((wide) =>
        encoded(encoding, { ...linear, weights: wide }, survivors, guard).pipe(
          finalize(() => {
            free(wide);
          }),
        ),
      ),
    );
  }
  return from(
    integers === undefined
      ? packLinear(linear, permutation, mask, pattern)
      : packQuantized(integers, linear, survivors),
  );
}

/** Survivors have one encoding. */
function encodedTwice({ name }: OwnEncoding): EsparseError {
  return new EsparseError('usage', `survivors are integers already, which encoding ${name} does not take`, {
    hint: 'leave out --encoding, or values',
  });
}
