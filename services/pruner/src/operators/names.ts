import type { PluginCall } from '@esparse/dataflow';
import type { ConfiguredPipeline } from '@esparse/sparsity';
import type { StatisticReader } from '@esparse/statistics';

/** The operators that every run has, by their names in the graph of `esparse graph`. */
export const TAP = 'tap';
export const LOAD = 'load';
export const MASK = 'step:mask';
export const PACK = 'pack';
export const COMMIT = 'commit';
export const ADVANCE = 'advance';

/** The statistic that is gathered of taps, as an operator. */
export function statisticOperator(name: string): string {
  return `statistic:${name}`;
}

/** Every operator of a run in the order in which a block meets them, and what it counts. */
export function operatorUnits(
  {
    metric,
    shuffle,
    stages,
    blockStages,
  }: Pick<ConfiguredPipeline, 'metric' | 'shuffle' | 'stages' | 'blockStages'>,
  readers: Iterable<StatisticReader>,
): ReadonlyMap<string, string> {
  const statistics = new Set([...readers].map(({ statistic }) => statistic.name));
  return new Map([
    [TAP, 'tokens'],
    ...[...statistics].map((name) => [statisticOperator(name), 'rows'] as const),
    [LOAD, 'linears'],
    [`metric:${metric.name}`, 'linears'],
    [`shuffle:${shuffle.name}`, 'linears'],
    [MASK, 'linears'],
    ...stages.map(({ name }) => [`stage:${name}`, 'linears'] as const),
    [PACK, 'linears'],
    ...blockStages.map(({ name }) => [`block-stage:${name}`, 'blocks'] as const),
    [COMMIT, 'linears'],
    [ADVANCE, 'tokens'],
  ]);
}

/** The operator that a call of a plug-in is of; undefined for none. */
export function operatorOfCall({ plugin }: Pick<PluginCall, 'plugin'>): string | undefined {
  const [, kind, name] = /^(metric|shuffle|stage|block stage|statistic) (.+)$/s.exec(plugin) ?? [];
  return kind === undefined ? undefined : `${kind.replace(' ', '-')}:${name!}`;
}
