import { from, map, type OperatorFunction } from 'rxjs';
import type { Metric } from '@esparse/sparsity';
import { enrich } from './enrich.ts';
import type { LoadedLinear, ScoredLinear } from './linear.ts';

/** Gives each weight its importance by a metric. */
export function score(metric: Metric): OperatorFunction<LoadedLinear, ScoredLinear> {
  return enrich((linear) => from(metric.score(linear)).pipe(map((scores) => ({ scores }))));
}
