import type { OperatorFunction } from 'rxjs';
import type { Metric } from '@esparse/sparsity';
import { enrich } from './enrich.ts';
import { callOn, guarded, type GuardOptions } from './guard.ts';
import type { LoadedLinear, ScoredLinear } from './linear.ts';
import { andThen } from './now-or-later.ts';
import { checkScores } from './plugin-results.ts';
import { readingsFor } from './readings.ts';

/** Gives each weight its importance by a metric. */
export function score(metric: Metric, guard?: GuardOptions): OperatorFunction<LoadedLinear, ScoredLinear> {
  return enrich((linear) =>
    guarded(
      callOn('metric', metric, linear),
      () => metric.score({ ...linear, statistics: readingsFor(metric, linear.readings) }, guard?.signal),
      (found) => andThen(checkScores(linear, found), (scores) => ({ scores })),
      { ...guard, borrowed: { weights: linear.weights } },
    ),
  );
}
