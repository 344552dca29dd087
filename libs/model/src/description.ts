import { EsparseError } from '@esparse/errors';
import type { FusedTensor } from '@esparse/checkpoint';
import type { ModelProgram } from './program.ts';

/** A weight matrix of every block: `rows` outputs by `cols` inputs. */
export interface LinearSpec {
  /** Short name, such as 'q_proj'. */
  readonly name: string;
  /** The tap that it reads. */
  readonly tap: string;
  /** Outputs. */
  readonly rows: number;
  /** Inputs: the tap's channels. */
  readonly cols: number;
  /** The checkpoint's name of the matrix, (rows x cols), in this block. */
  readonly weight: (block: number) => string;
  /** The checkpoint's name of the bias, (rows), where the linear has one. It is among `blockTensors` too. */
  readonly bias?: (block: number) => string;
  /**
   * Consecutive inputs that belong together, so that no group of a pattern may cross from some to the next: of a convolution
   * the channels at one position of its kernel.
   * @default cols
   */
  readonly inner?: number;
  /** Which expert of the block it is a part of: only the tokens that are routed there pass it. @default none */
  readonly expert?: number;
  /** The kinds of blocks that have it: indices in the program's `blocks`. @default all */
  readonly kinds?: readonly number[];
}

/** The input of one or more linears. */
export interface TapSpec {
  /**
   * 'attn_in' (q, k, v), 'attn_out' (o), 'mlp_in' (gate and up, or fc1), 'mlp_out' (down, or fc2); those of an expert
   * begin with its name, as 'experts.3.mlp_in'.
   */
  readonly name: string;
  readonly channels: number;
  /** Which expert of the block it is a part of: it has the rows of the tokens that are routed there. @default none */
  readonly expert?: number;
  /** Whether it has rows of its own number in each sequence, as an expert and a value of a graph have. @default one a token */
  readonly ownRows?: boolean;
  /** The kinds of blocks that have it: indices in the program's `blocks`. @default all */
  readonly kinds?: readonly number[];
}

/** A tensor that the checkpoint must hold. */
export interface TensorSpec {
  /** The checkpoint's name. */
  readonly name: string;
  readonly shape: readonly number[];
}

/** A tensor of a block that stays dense, and the slot by which the program names it. */
export interface BlockTensorSpec extends TensorSpec {
  /** Norms: as the family chooses. The bias of a linear: see `biasSlot`. */
  readonly slot: string;
}

/**
 * What of a model can be pruned, and in which order: all that the pruning of decoders and of graphs shares. A block is what is
 * pruned together and then run: a decoder block, or a cut of a graph.
 */
export interface PrunableModel {
  /** The family's name, such as 'llama'; 'onnx' for a graph. */
  readonly family: string;
  readonly blocks: number;
  /** In the order in which they are there. `tapsOf` tells those of one block. */
  readonly taps: readonly TapSpec[];
  /** In the order in which they are used. `linearsOf` tells those of one block. */
  readonly linears: readonly LinearSpec[];
  /** Every tensor of a block other than the linears' matrices: norms, biases. */
  readonly blockTensors: (block: number) => readonly BlockTensorSpec[];
  /** Tensors of a block in which the checkpoint keeps some of those above: several in one, transposed, or in blocks. @default none */
  readonly fusedTensors?: (block: number) => readonly FusedTensor[];
  /** Tensors outside the blocks: embeddings, final norm, and the head where it is a tensor of its own. */
  readonly outerTensors: readonly TensorSpec[];
  /** Names of tensors that checkpoints carry and that the model does not compute with. @default none */
  readonly ignoredTensors?: readonly RegExp[];
  /** What the blocks run, of which all that is said here is which kind of block each is. */
  readonly program: Pick<ModelProgram, 'kindOf'>;
  /** What f32 weights are rounded to when they are pruned, where they fit. @default 'bf16' */
  readonly half?: 'f16';
}

/** What a language model is, told from its config.json alone: sizes, tensor names and program. */
export interface ModelDescription extends PrunableModel {
  readonly hidden: number;
  readonly vocab: number;
  /** The longest sequence that the model's positions reach. */
  readonly maxPositions: number;
  /**
   * What all names of tensors begin with, but for the head's, where the whole model was saved; a checkpoint of the model
   * without its head has them without it.
   * @default names are as they are
   */
  readonly basePrefix?: string;
  readonly program: ModelProgram;
}

/** The slot of a linear's matrix. */
export function weightSlot(linear: string): string {
  return `${linear}.weight`;
}

/** The slot of a linear's bias. */
export function biasSlot(linear: string): string {
  return `${linear}.bias`;
}

/** @throws EsparseError 'internal' where the model has no linear of that name: its program is at fault */
export function linearNamed({ family, linears }: PrunableModel, name: string): LinearSpec {
  const linear = linears.find((candidate) => candidate.name === name);
  if (linear === undefined) throw new EsparseError('internal', `family '${family}': no linear '${name}'`);
  return linear;
}

/** @throws EsparseError 'internal' where the model has no tensor of that name outside its blocks: its program is at fault */
export function outerTensor({ family, outerTensors }: ModelDescription, name: string): TensorSpec {
  const tensor = outerTensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) throw new EsparseError('internal', `family '${family}': no tensor '${name}'`);
  return tensor;
}
