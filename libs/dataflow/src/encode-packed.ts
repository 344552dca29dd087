import { concatMap, from, map, type OperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import { isPacked, keptIn, survivorsOf, unpackToF32, type OwnEncoding } from '@esparse/sparsity';
import { encoded } from './encoded.ts';
import type { GuardOptions } from './guard.ts';
import type { PrunedLinear } from './linear.ts';

/** Stores linears that block stages have left packed in an encoding that does not come with esparse. */
export function encodePacked(
  encoding: OwnEncoding,
  guard?: GuardOptions,
): OperatorFunction<PrunedLinear, PrunedLinear> {
  return concatMap((linear) => {
    const { job, packed } = linear;
    if (!isPacked(packed)) {
      throw new EsparseError(
        'usage',
        `${job.name} is stored as integers already, which encoding ${encoding.name} does not take`,
        { hint: 'leave out --encoding, or values' },
      );
    }
    return from(Promise.all([unpackToF32(packed), keptIn(packed)])).pipe(
      concatMap(([weights, kept]) =>
        encoded(encoding, { ...job, weights }, survivorsOf(kept, packed), guard),
      ),
      map((own) => ({ ...linear, packed: own })),
    );
  });
}
