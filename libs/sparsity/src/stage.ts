import type { Cost, Readings, StatisticDevice, StatisticReaders } from '@esparse/statistics';
import type { BlockShape, HeldCost, LinearShape } from './cost.ts';
import type { MetricInput } from './metric.ts';
import type { Pattern } from './pattern.ts';
import type { IntegerWeights, RoundingOptions } from './quantization/integer-weights.ts';
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

/** What a stage changes, in memory of its own, which is freed when the linear is packed; what it leaves out stays. */
export interface StageResult {
  /** (rows, cols), as bits of the same dtype; only those of survivors are stored. */
  readonly weights?: Uint16Array;
  /** Another mask of the same pattern, in the same order. */
  readonly mask?: Uint8Array;
  /** The survivors as integers: these are stored, in the place of the weights. No stage follows that changes either. */
  readonly integers?: IntegerWeights;
}

/** An NVIDIA GPU that a stage may compute on. */
export interface StageDevice extends StatisticDevice {
  /** Names its arithmetic: GPU, driver and libraries. */
  readonly id: string;
}

/** What a stage has at hand besides its input. */
export interface StageContext {
  /**
   * Where it may compute, if it can. Calls that have the same device come one after another; of a stage that computes on none
   * (see `Stage.deviceBytes`), all do. @default the processor alone
   */
  readonly device?: StageDevice | undefined;
  /** Aborts when the run is cancelled: a stage that takes more than a second looks at it. */
  readonly signal?: AbortSignal | undefined;
  /** Reports something to the user that is no error. */
  readonly note: (message: string) => void;
  /** Reports how far the stage is with this linear, in units of its own. */
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
  numerics?(device?: StageDevice): Promise<string>;
  /** Releases what the stage holds, after the last linear. */
  release?(): Promise<void>;
  /** How it rounds survivors, for `esparse plan`, where it returns integers. @default it does not */
  readonly rounding?: RoundingOptions;
  /**
   * What `run` takes for one linear, for `esparse plan`.
   *
   * @default not known: the plan says that it leaves this stage out
   */
  cost?(linear: LinearShape): Cost;
  /** What the stage holds beside that, for `esparse plan`. @default nothing */
  heldCost?(block: BlockShape): HeldCost;
  /** Bytes of a device's memory that `run` takes for one linear where there is one, for `esparse plan`. @default none */
  deviceBytes?(linear: LinearShape): number;
}

/** See `defineStage`. */
export interface StageDefinition<
  Schema extends OptionsSchema,
  Needs extends StatisticReaders,
  Held,
> extends PluginDefinition<Schema> {
  /**
   * Opens what one stage holds for a whole run, until `release`. It is called wherever a pipeline is configured, also for a
   * plan: open what is slow or large, such as a session, at its first use. @default nothing
   */
  open?(): Held;
  /** What `run` needs of a linear's input, by names of its own, or how that follows from options and what is held. */
  readonly statistics: Needs | ((options: OptionsOf<Schema>['resolved'], held: Held) => Needs);
  /** Another mask or other weights for one linear. */
  run(
    input: StageInput<Readings<Needs>>,
    context: StageContext & PluginContext<OptionsOf<Schema>['resolved']> & { readonly held: Held },
  ): Promise<StageResult>;
  /**
   * What the bits depend on besides the input, such as a runtime, or the device where `run` uses it. @default nothing
   */
  numerics?(device?: StageDevice): Promise<string>;
  release?(held: Held): Promise<void>;
  /** How it rounds survivors, for `esparse plan`, where it returns integers. @default it does not */
  rounding?(options: OptionsOf<Schema>['resolved']): RoundingOptions;
  /**
   * What `run` takes for one linear, for `esparse plan`.
   *
   * @default not known: the plan says that it leaves this stage out
   */
  cost?(linear: LinearShape, context: { readonly options: OptionsOf<Schema>['resolved'] }): Cost;
  /** What the stage holds beside that, for `esparse plan`: what `open` and `statistics` bring. @default nothing */
  heldCost?(block: BlockShape, context: { readonly options: OptionsOf<Schema>['resolved'] }): HeldCost;
  /** Bytes of a device's memory that `run` takes for one linear where there is one, for `esparse plan`. @default none */
  deviceBytes?(linear: LinearShape): number;
}

/**
 * Defines a stage: returns a factory that takes its options.
 *
 * @throws EsparseError 'usage' for a name or version that no plug-in may have; the factory, for options that it did not
 *   declare
 */
export function defineStage<
  Needs extends StatisticReaders,
  Schema extends OptionsSchema = NoOptions,
  Held = undefined,
>(definition: StageDefinition<Schema, Needs, Held>): PluginFactory<Schema, Stage<Needs> & Required<Plugin>> {
  const { statistics, numerics, release, rounding, cost, heldCost, deviceBytes } = definition;
  return factoryOf<Schema, Stage<Needs>>('stage', definition, (options) => {
    // Without `open`, `Held` is undefined.
    const held = definition.open?.() as Held;
    return {
      statistics: typeof statistics === 'function' ? statistics(options, held) : statistics,
      run: (input, context) => definition.run(input, { ...context, options, held }),
      ...(numerics === undefined ? {} : { numerics }),
      ...(release === undefined ? {} : { release: () => release(held) }),
      ...(rounding === undefined ? {} : { rounding: rounding(options) }),
      ...(cost === undefined ? {} : { cost: (linear: LinearShape) => cost(linear, { options }) }),
      ...(deviceBytes === undefined ? {} : { deviceBytes }),
      ...(heldCost === undefined ? {} : { heldCost: (block: BlockShape) => heldCost(block, { options }) }),
    };
  });
}
