import type { OperatorFunction } from 'rxjs';
import type { Shuffle } from '@esparse/sparsity';
import type { StatisticDevice } from '@esparse/statistics';
import { enrich } from './enrich.ts';
import { callOn, guarded, type GuardOptions } from './guard.ts';
import type { ScoredLinear, ShuffledLinear } from './linear.ts';
import { checkOrder } from './plugin-results.ts';

/** Finds the input order of each linear, in which its groups are formed. A search that is long ends where the signal aborts. */
export function shuffle(
  strategy: Shuffle,
  guard?: GuardOptions,
  device?: StatisticDevice,
): OperatorFunction<ScoredLinear, ShuffledLinear> {
  return enrich((linear) =>
    guarded(
      callOn('shuffle', strategy, linear),
      () => strategy.order(linear, linear.pattern, guard?.signal, device),
      (found) => ({ order: checkOrder(linear, found) }),
      { ...guard, borrowed: { weights: linear.weights, scores: linear.scores } },
    ),
  );
}
