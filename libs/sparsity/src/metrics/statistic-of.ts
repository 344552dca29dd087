import { EsparseError } from '@esparse/errors';
import type { MetricInput, StatisticName } from '../metric.ts';

/** The statistic that a metric needs; EsparseError 'usage' where it is missing or of another length. */
export function statisticOf(metric: string, input: MetricInput, name: StatisticName): Float32Array {
  const values = input.statistics[name];
  if (values?.length === input.cols) return values;
  const found = values === undefined ? 'was not gathered' : `has ${values.length} channels`;
  throw new EsparseError(
    'usage',
    `metric ${metric} needs the ${name} of ${input.cols} channels, which ${found}`,
  );
}
