import { from, map, type OperatorFunction } from 'rxjs';
import type { Shuffle } from '@esparse/sparsity';
import { enrich } from './enrich.ts';
import type { ScoredLinear, ShuffledLinear } from './linear.ts';

/** Finds the input order of each linear, in which its groups are formed. A search that is long ends where `signal` aborts. */
export function shuffle(
  strategy: Shuffle,
  signal?: AbortSignal,
): OperatorFunction<ScoredLinear, ShuffledLinear> {
  return enrich((linear) =>
    from(strategy.order(linear, linear.pattern, signal)).pipe(map((order) => ({ order }))),
  );
}
