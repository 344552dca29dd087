import type { Cost, StatisticDevice } from '@esparse/statistics';
import type { LinearShape } from './cost.ts';
import type { Pattern } from './pattern.ts';
import type { NoOptions, OptionsOf, OptionsSchema } from './plugin-options.ts';
import {
  factoryOf,
  type Plugin,
  type PluginContext,
  type PluginDefinition,
  type PluginFactory,
} from './plugin.ts';

/** The scores of one linear: (rows, cols) f32, finite. */
export interface ScoreMatrix {
  readonly scores: Float32Array;
  readonly rows: number;
  readonly cols: number;
  /**
   * Which orders of the inputs an export can fold into the linears before: all, none but the original one, those within the
   * heads of an attention, which are equal where heads share values, or those within spans. For `foldable` alone. @default 'all'
   */
  readonly reach?: 'all' | 'none' | InputHeads | readonly InputSpan[] | undefined;
}

/**
 * Inputs that may change places among themselves, `length` of them behind each start, alike behind all; what lies in no span
 * stays where it is. Of a convolution the starts are the positions of its kernel.
 */
export interface InputSpan {
  readonly starts: readonly number[];
  readonly length: number;
}

/** The heads of an attention whose output is the input of a linear. */
export interface InputHeads {
  readonly heads: number;
  /** Each is read by `heads / kvHeads` query heads that follow one another. */
  readonly kvHeads: number;
  readonly headDim: number;
}

/** The scores of one linear in the memory of a device: (rows, cols) f32, finite and not negative. */
export interface DeviceScores {
  readonly device: StatisticDevice;
  readonly address: number;
  readonly rows: number;
  readonly cols: number;
}

/** The order that a shuffle found, and what it is worth. */
export interface ShuffleResult {
  /** (cols): p[i] is the original channel at position i; ascending within each group. */
  readonly permutation: Int32Array;
  /** The kept score (sum of the scores that survive the mask) in the original order. */
  readonly keptBefore: number;
  /** The kept score in the order found. */
  readonly keptAfter: number;
}

/**
 * Chooses the order of the inputs in which the groups are formed.
 *
 * Law: the result is a permutation in canonical form (see `canonicalOrder`) and depends on the scores and their reach alone:
 * it is the same with a device and without.
 */
export interface Shuffle extends Plugin {
  /** @throws EsparseError 'cancelled' soon after `signal` has aborted, within a step that is long */
  order(
    scores: ScoreMatrix,
    pattern: Pattern,
    signal?: AbortSignal,
    device?: StatisticDevice,
  ): Promise<ShuffleResult>;
  /**
   * The same result of scores that a device has.
   *
   * @throws EsparseError 'unavailable' where the device has no room: then `order` is called
   * @default scores are to be in the host's memory
   */
  orderOn?(scores: DeviceScores, pattern: Pattern, signal?: AbortSignal): Promise<ShuffleResult>;
  /** The memory that it takes for one linear, for `esparse plan`, which measures its time. @default none */
  cost?(linear: LinearShape): Pick<Cost, 'bytes'>;
  /** Bytes of a device's memory that it takes for one linear where there is one, for `esparse plan`. @default none */
  deviceBytes?(linear: LinearShape): number;
}

/** What a shuffle has at hand besides its input. */
export interface ShuffleContext<Options> extends PluginContext<Options> {
  /** A GPU that it may search on, if it finds the same there. @default the processor alone */
  readonly device?: StatisticDevice | undefined;
}

/** See `defineShuffle`. */
export interface ShuffleDefinition<Schema extends OptionsSchema> extends PluginDefinition<Schema> {
  /** The order, in canonical form: see `canonicalOrder`. */
  order(
    scores: ScoreMatrix,
    pattern: Pattern,
    context: ShuffleContext<OptionsOf<Schema>['resolved']>,
  ): Promise<ShuffleResult>;
  /** The same of scores that a device has. @default they are to be in the host's memory */
  orderOn?(
    scores: DeviceScores,
    pattern: Pattern,
    context: PluginContext<OptionsOf<Schema>['resolved']>,
  ): Promise<ShuffleResult>;
  /** The memory that it takes for one linear, for `esparse plan`, which measures its time. @default none */
  cost?(
    linear: LinearShape,
    context: { readonly options: OptionsOf<Schema>['resolved'] },
  ): Pick<Cost, 'bytes'>;
  /** Bytes of a device's memory that it takes for one linear where there is one, for `esparse plan`. @default none */
  deviceBytes?(linear: LinearShape): number;
}

/**
 * Defines a shuffle: returns a factory that takes its options.
 *
 * @throws EsparseError 'usage' for a name or version that no plug-in may have; the factory, for options that it did not
 *   declare
 */
export function defineShuffle<Schema extends OptionsSchema = NoOptions>(
  definition: ShuffleDefinition<Schema>,
): PluginFactory<Schema, Shuffle & Required<Plugin>> {
  const { order, orderOn, cost, deviceBytes } = definition;
  return factoryOf<Schema, Shuffle>('shuffle', definition, (options) => ({
    order: (scores, pattern, signal, device) => order(scores, pattern, { options, signal, device }),
    ...(orderOn !== undefined && {
      orderOn: (scores: DeviceScores, pattern: Pattern, signal?: AbortSignal) =>
        orderOn(scores, pattern, { options, signal }),
    }),
    ...(cost === undefined ? {} : { cost: (linear: LinearShape) => cost(linear, { options }) }),
    ...(deviceBytes === undefined ? {} : { deviceBytes }),
  }));
}
