import { EsparseError } from '@esparse/errors';
import type { ChannelInput } from '../metric.ts';

/** The channels' statistic of this name; EsparseError 'usage' where it is missing or of another length. */
export function statisticOf<Name extends string>(
  metric: string,
  { cols, statistics }: ChannelInput<Readonly<Partial<Record<Name, Float32Array>>>>,
  name: Name,
): Float32Array {
  const values = statistics[name];
  if (values?.length === cols) return values;
  const found = values === undefined ? 'was not gathered' : `has ${values.length} channels`;
  throw new EsparseError('usage', `metric ${metric} needs the ${name} of ${cols} channels, which ${found}`);
}
