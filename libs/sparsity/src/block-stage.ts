import type { HalfDtype } from '@esparse/kernels';
import type { BlockCost, BlockStageShape } from './block-cost.ts';
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
import type { StageContext } from './stage.ts';
import type { TuneRequest } from './tune-request.ts';

/** A linear of a block that is pruned: order and mask are chosen, and stay. */
export interface BlockLinear {
  /** Such as 'q_proj'. */
  readonly name: string;
  /** The tap that feeds it. */
  readonly tap: string;
  readonly rows: number;
  readonly cols: number;
  readonly dtype: HalfDtype;
  readonly pattern: Pattern;
  /** (cols): the original channel at each position. */
  readonly permutation: Int32Array;
  /** (rows, cols) in the original order, as bits of `dtype`, 0 where pruned: a copy that is the caller's. */
  weights(): Promise<Uint16Array>;
  /** (rows, cols) in the original order: 1 where a weight survives, 0 where it is pruned. */
  kept(): Promise<Uint8Array>;
}

/** A tensor of a block beside its pruned linears: a norm, a bias, the matrix of a linear that stays dense. */
export interface BlockTensor {
  /** What the block's program calls it, such as 'q_proj.bias'. */
  readonly slot: string;
  readonly shape: readonly number[];
  /** The type in which it is stored. */
  readonly dtype: HalfDtype | 'f32';
  /** Widened to f32: a copy that is the caller's. */
  values(): Promise<Float32Array>;
}

/** An operation of a block's program. What else it has follows from its name: it is a `BlockOp` of @esparse/api. */
export interface BlockOperation {
  readonly op: string;
  /** The value that it defines. */
  readonly output: string;
}

/** The hidden states of one calibration sequence around a block, each f32 (seqlen, hidden). */
export interface SequenceStates {
  /** From 0. */
  readonly sequence: number;
  /** What the block takes in, behind the pruned blocks before it. */
  readonly input: Float32Array;
  /** What the dense block makes of that. */
  readonly output: Float32Array;
  /** What the dense block makes of the dense model's own states: there where `states` is 'both'. */
  readonly dense?: Float32Array;
}

/** A block whose linears are all masked, and what runs through it. */
export interface BlockStageInput {
  /** Its number, from 0. */
  readonly block: number;
  /** What it computes, from the value 'hidden' to the value 'output'. */
  readonly program: readonly BlockOperation[];
  /** Those that are pruned, in the order in which the block uses them: none where all are left dense and become integers. */
  readonly linears: readonly BlockLinear[];
  readonly tensors: readonly BlockTensor[];
  /** Of the calibration. */
  readonly sequences: number;
  /** Tokens of a sequence. */
  readonly seqlen: number;
  /** Channels of hidden states. */
  readonly hidden: number;
  /** The calibration's sequences in turn, made as they are read, so that memory is that of a few; may be called again. */
  states(): AsyncIterable<SequenceStates>;
}

/** What a block stage changes; what it leaves out stays. Masks and orders always do. */
export interface BlockStageResult {
  /** By the linear's name: (rows, cols) in the original order as bits of its dtype, 0 where pruned. */
  readonly weights?: Readonly<Record<string, Uint16Array>>;
  /**
   * By the linear's name: its survivors as integers, which are stored in the place of weights. The last block stage alone
   * gives them.
   */
  readonly integers?: Readonly<Record<string, IntegerWeights>>;
  /** By slot, in f32: rounded once, to the type in which the tensor is stored. */
  readonly tensors?: Readonly<Record<string, Float32Array>>;
  /** What it found, by names of its own: goes to the events, into the store and to `esparse inspect`. */
  readonly report?: BlockReport;
}

/** What `tune` of a block stage's context gives: a block whose weights are no integers yet. */
export type TunedResult = Required<Omit<BlockStageResult, 'integers'>>;

/** Numbers and words. The same from the same input: no times. */
export type BlockReport = Readonly<Record<string, number | string>>;

/** What a block stage has at hand besides its input. A call that reports no progress for long is taken for one that hangs. */
export interface BlockStageContext extends StageContext {
  /**
   * Tunes the block by gradient descent on a worker, where its hidden states are: the stage `tune` is this call, and the
   * rounding of what comes back. Gives the tuned weights and tensors, which the stage may change further before it returns them.
   * Among the tensors are the matrices of linears left dense that become integers (`--dense-values`), as they are before that.
   */
  readonly tune: (request: TuneRequest) => Promise<TunedResult>;
}

/**
 * Which hidden states a block stage needs. 'pruned': those behind the pruned blocks. 'both': the dense model's own, too, which
 * costs a second forward pass of each block. 'none': it has no `states`, and nothing is run for it.
 */
export type BlockChains = 'none' | 'pruned' | 'both';

/**
 * A step between the masks of all linears of a block and its commit, such as tuning the survivors on the block's output.
 *
 * Laws: it keeps masks and shapes, and the result depends on the input alone.
 */
export interface BlockStage extends Plugin {
  readonly states: BlockChains;
  run(input: BlockStageInput, context: BlockStageContext): Promise<BlockStageResult>;
  /**
   * Says what of a block's program it does not take, such as 'a mixture of experts', so that a run is refused before it begins.
   *
   * @default it takes every block
   */
  refuses?(program: readonly BlockOperation[]): string | undefined;
  /** How it rounds survivors, for `esparse plan`, where it gives integers. @default it does not */
  readonly rounding?: RoundingOptions;
  /**
   * What `run` takes for one block, for `esparse plan`.
   *
   * @default not known: the plan says that it leaves this stage out
   */
  cost?(block: BlockStageShape): BlockCost;
}

/** See `defineBlockStage`. */
export interface BlockStageDefinition<Schema extends OptionsSchema> extends PluginDefinition<Schema> {
  /** Which hidden states it needs, or how that follows from the options. @default 'pruned' */
  readonly states?: BlockChains | ((options: OptionsOf<Schema>['resolved']) => BlockChains);
  /** Other weights, norms and biases for one block. */
  run(
    input: BlockStageInput,
    context: BlockStageContext & PluginContext<OptionsOf<Schema>['resolved']>,
  ): Promise<BlockStageResult>;
  /**
   * Says what of a block's program it does not take, such as 'a mixture of experts': the run is refused before it begins.
   *
   * @default it takes every block
   */
  refuses?(
    program: readonly BlockOperation[],
    context: { readonly options: OptionsOf<Schema>['resolved'] },
  ): string | undefined;
  /** How it rounds survivors, for `esparse plan`; undefined where it does not. @default it does not */
  rounding?(options: OptionsOf<Schema>['resolved']): RoundingOptions | undefined;
  /**
   * What `run` takes for one block, for `esparse plan`.
   *
   * @default not known: the plan says that it leaves this stage out
   */
  cost?(block: BlockStageShape, context: { readonly options: OptionsOf<Schema>['resolved'] }): BlockCost;
}

/**
 * Defines a block stage: returns a factory that takes its options.
 *
 * @throws EsparseError 'usage' for a name or version that no plug-in may have; the factory, for options that it did not
 *   declare
 */
export function defineBlockStage<Schema extends OptionsSchema = NoOptions>(
  definition: BlockStageDefinition<Schema>,
): PluginFactory<Schema, BlockStage & Required<Plugin>> {
  const { states = 'pruned', cost, refuses } = definition;
  return factoryOf<Schema, BlockStage>('block stage', definition, (options) => {
    const rounding = definition.rounding?.(options);
    return {
      states: typeof states === 'function' ? states(options) : states,
      run: (input, context) => definition.run(input, { ...context, options }),
      ...(refuses && { refuses: (program: readonly BlockOperation[]) => refuses(program, { options }) }),
      ...(rounding && { rounding }),
      ...(cost === undefined ? {} : { cost: (block: BlockStageShape) => cost(block, { options }) }),
    };
  });
}
