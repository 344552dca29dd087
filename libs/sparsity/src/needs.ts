import type { StatisticReaders } from '@esparse/statistics';
import type { OptionsOf, OptionsSchema } from './plugin-options.ts';

/** Readings that a plug-in needs, or how they follow from its options. */
export type Needed<Needs extends StatisticReaders, Schema extends OptionsSchema> =
  Needs | ((options: OptionsOf<Schema>['resolved']) => Needs);

export function needsOf<Needs extends StatisticReaders, Schema extends OptionsSchema>(
  needed: Needed<Needs, Schema>,
  options: OptionsOf<Schema>['resolved'],
): Needs {
  return typeof needed === 'function' ? needed(options) : needed;
}
