import { scoreByChannel, type HalfDtype } from '@esparse/kernels';
import type { Readings, StatisticReaders } from '@esparse/statistics';
import { needsOf, type Needed } from './needs.ts';
import type { NoOptions, OptionsOf, OptionsSchema } from './plugin-options.ts';
import {
  factoryOf,
  type Plugin,
  type PluginContext,
  type PluginDefinition,
  type PluginFactory,
} from './plugin.ts';

/** One linear, and what is known of the tap that feeds it. */
export interface MetricInput<Statistics = Readonly<Record<string, unknown>>> {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: HalfDtype;
  /** (rows, cols), as the bits that the checkpoint stores. */
  readonly weights: Uint16Array;
  /** The readings that were asked for, by name. */
  readonly statistics: Statistics;
}

/**
 * A measure of the importance of each weight. Built-ins and plug-ins are the same kind of thing.
 *
 * Law: `score` returns (rows, cols) f32, finite and not negative, in memory of its own, that depends on nothing but its
 * input.
 */
export interface Metric<Needs extends StatisticReaders = StatisticReaders> extends Plugin {
  /** What `score` needs in `statistics`; nothing else is gathered. */
  readonly statistics: Needs;
  score(input: MetricInput<Readings<Needs>>, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * What a channel counts, (cols), of a metric whose score is |W_ij| times that: then scores can be made where the weights are, such
   * as in a GPU.
   *
   * Law: `score` gives these products, in f32.
   *
   * @default scores are made in another way
   */
  importance?(input: ChannelInput<Readings<Needs>>): Float32Array;
}

/** What a channel's importance follows from: no weight. */
export type ChannelInput<Statistics = Readonly<Record<string, unknown>>> = Omit<
  MetricInput<Statistics>,
  'weights'
>;

/** See `defineMetric`. */
export type MetricDefinition<
  Schema extends OptionsSchema,
  Needs extends StatisticReaders,
> = PluginDefinition<Schema> & {
  /** What is needed of a linear's input, by names of its own, or how that follows from the options. */
  readonly statistics: Needed<Needs, Schema>;
} & (MetricByWeight<Schema, Needs> | MetricByChannel<Schema, Needs>);

interface MetricByWeight<Schema extends OptionsSchema, Needs extends StatisticReaders> {
  /** The importance of each weight, (rows, cols), finite and not negative, in memory of its own. */
  score(
    input: MetricInput<Readings<Needs>>,
    context: PluginContext<OptionsOf<Schema>['resolved']>,
  ): Promise<Float32Array>;
  readonly importance?: undefined;
}

/** Of a score that is |W_ij| times a number of channel j. */
interface MetricByChannel<Schema extends OptionsSchema, Needs extends StatisticReaders> {
  /** That number, (cols), finite and not negative. */
  importance(
    input: ChannelInput<Readings<Needs>>,
    context: PluginContext<OptionsOf<Schema>['resolved']>,
  ): Float32Array;
  readonly score?: undefined;
}

/**
 * Defines a metric: returns a factory that takes its options.
 *
 * @example
 * const wanda = defineMetric({
 *   name: 'wanda',
 *   statistics: { amplitude: channelAmplitude },
 *   importance: ({ statistics: { amplitude } }) => amplitude,
 * });
 * const metric = wanda();
 * @throws EsparseError 'usage' for a name or version that no plug-in may have; the factory, for options that it did not
 *   declare
 */
export function defineMetric<Needs extends StatisticReaders, Schema extends OptionsSchema = NoOptions>(
  definition: MetricDefinition<Schema, Needs>,
): PluginFactory<Schema, Metric<Needs> & Required<Plugin>> {
  return factoryOf<Schema, Metric<Needs>>('metric', definition, (options) => {
    const statistics = needsOf(definition.statistics, options);
    if (definition.importance === undefined)
      return { statistics, score: (input, signal) => definition.score(input, { options, signal }) };
    const importance = (input: ChannelInput<Readings<Needs>>) => definition.importance(input, { options });
    return {
      statistics,
      importance,
      async score(input) {
        const { dtype, weights, rows, cols } = input;
        return scoreByChannel(dtype, weights, rows, cols, importance(input));
      },
    };
  });
}
