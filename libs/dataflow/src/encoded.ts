import type { Observable } from 'rxjs';
import { encodeLinear, type OwnEncoding, type OwnLinear, type Survivors } from '@esparse/sparsity';
import { callOn, guarded, type GuardOptions } from './guard.ts';
import type { LinearJob } from './linear.ts';

/** A linear's survivors in an encoding that does not come with esparse. What that throws names it, block and linear. */
export function encoded(
  encoding: OwnEncoding,
  linear: Pick<LinearJob, 'block' | 'name' | 'rows' | 'cols'> & { readonly weights: Float32Array },
  survivors: Survivors,
  guard?: GuardOptions,
): Observable<OwnLinear> {
  return guarded(
    callOn('encoding', encoding, linear),
    () => encodeLinear(encoding, linear, survivors),
    (made) => made,
    guard,
  );
}
