import type { Readings, StatisticReaders } from '@esparse/statistics';
import type { MetricInput } from './metric.ts';
import type { Pattern } from './pattern.ts';
import type { NoOptions, OptionsOf, OptionsSchema } from './plugin-options.ts';
import {
  factoryOf,
  type Plugin,
  type PluginContext,
  type PluginDefinition,
  type PluginFactory,
} from './plugin.ts';

/** One linear whose order and mask are chosen. */
export interface StageInput<Statistics = Readonly<Record<string, unknown>>> extends MetricInput<Statistics> {
  readonly pattern: Pattern;
  /** (cols): the original channel at each position. */
  readonly permutation: Int32Array;
  /** What survives: see `maskLinear`. */
  readonly mask: Uint8Array;
}

/** What a stage changes, in memory of its own, which is given back when the linear is packed; what it leaves out stays. */
export interface StageResult {
  /** (rows, cols), as bits of the same dtype; only those of survivors are stored. */
  readonly weights?: Uint16Array;
  /** Another mask of the same pattern, in the same order. */
  readonly mask?: Uint8Array;
}

/** What a stage has at hand besides its input. */
export interface StageContext {
  /** Aborts when the run is cancelled: a stage that takes more than a second looks at it. */
  readonly signal?: AbortSignal | undefined;
  /** Tells the user of something that is no error. */
  readonly note: (message: string) => void;
  /** Tells how far the stage is with this linear, in units of its own. */
  readonly progress: (done: number, total: number) => void;
}

/**
 * A step between mask and pack, such as a reconstruction of the survivors.
 *
 * Law: the result depends on nothing but the input and what `numerics` names.
 */
export interface Stage<Needs extends StatisticReaders = StatisticReaders> extends Plugin {
  /** What `run` needs in `statistics`; nothing else is gathered. */
  readonly statistics: Needs;
  run(input: StageInput<Readings<Needs>>, context: StageContext): Promise<StageResult>;
  /** What the bits depend on besides the input, such as a runtime: part of the run's fingerprint. @default nothing */
  numerics?(): Promise<string>;
  /** Lets go of what the stage holds, after the last linear. */
  release?(): Promise<void>;
}

/** See `defineStage`. */
export interface StageDefinition<
  Schema extends OptionsSchema,
  Needs extends StatisticReaders,
  Held,
> extends PluginDefinition<Schema> {
  /**
   * Makes what one stage holds for a whole run; `release` lets it go. It is called wherever a pipeline is configured, for a
   * plan, too: what is slow or large, such as a session, is better opened when it is wanted first. @default nothing
   */
  open?(): Held;
  /** What `run` needs of a linear's input, by names of its own, or how that follows from options and what is held. */
  readonly statistics: Needs | ((options: OptionsOf<Schema>['resolved'], held: Held) => Needs);
  /** Another mask or other weights for one linear. */
  run(
    input: StageInput<Readings<Needs>>,
    context: StageContext & PluginContext<OptionsOf<Schema>['resolved']> & { readonly held: Held },
  ): Promise<StageResult>;
  /** What the bits depend on besides the input, such as a runtime. @default nothing */
  numerics?(): Promise<string>;
  release?(held: Held): Promise<void>;
}

/**
 * Defines a stage; gives what makes it with its options.
 *
 * @throws EsparseError 'usage' for a name or version that no plug-in may have; the factory, for options that it did not
 *   declare
 */
export function defineStage<
  Needs extends StatisticReaders,
  Schema extends OptionsSchema = NoOptions,
  Held = undefined,
>(definition: StageDefinition<Schema, Needs, Held>): PluginFactory<Schema, Stage<Needs> & Required<Plugin>> {
  const { statistics, numerics, release } = definition;
  return factoryOf<Schema, Stage<Needs>>('stage', definition, (options) => {
    // Without `open`, `Held` is undefined.
    const held = definition.open?.() as Held;
    return {
      statistics: typeof statistics === 'function' ? statistics(options, held) : statistics,
      run: (input, context) => definition.run(input, { ...context, options, held }),
      ...(numerics === undefined ? {} : { numerics }),
      ...(release === undefined ? {} : { release: () => release(held) }),
    };
  });
}
