import type { NodeMessage } from '../messages.ts';
import type { MatrixPlace } from '../matrix-place.ts';

/** What a graph knows of a constant. */
export interface ConstantFacts {
  /** Its number in the file. */
  readonly tensor: number;
  readonly shape: readonly number[];
  /** Of TensorProto.DataType. */
  readonly type: number;
}

/**
 * How the inputs of a linear, (rows x channels), come from the values of a graph. What is told of a convolution is enough to
 * cut its input into what each position of its output is made of.
 */
export type TapSource =
  /** The last axis of the value are the channels, all others the rows. */
  | { readonly from: 'rows'; readonly value: string }
  /** The input (batch, channels, positions...) of a convolution: a row for each position of its output, (kernel position x channel). */
  | {
      readonly from: 'windows';
      readonly value: string;
      /** Which of so many equal parts of the channels. */
      readonly part: number;
      readonly parts: number;
      readonly kernel: readonly number[];
      readonly strides: readonly number[];
      readonly dilations: readonly number[];
      /** Before each axis, then behind each; or how they follow from the sizes. */
      readonly pads: readonly number[] | 'SAME_UPPER' | 'SAME_LOWER';
    }
  /** The state of a recurrent node before each step of time: the node's own output, one step late. */
  | {
      readonly from: 'states';
      /** The node's first output, (time, directions, batch, channels); a name of our own where the graph takes none. */
      readonly value: string;
      /** The state before the first step, (directions, batch, channels); absent where that is 0. */
      readonly initial?: string;
      readonly direction: number;
      /** Whether it goes from the last step to the first. */
      readonly backwards: boolean;
    };

/** A matrix of a node that can be pruned. */
export interface NodeLinear {
  /** What its name has behind the node's. */
  readonly suffix: string;
  readonly rows: number;
  readonly cols: number;
  /** See `LinearSpec.inner`. @default cols */
  readonly inner?: number;
  readonly source: TapSource;
  readonly place: MatrixPlace;
  /** The constant that it lies in. */
  readonly facts: ConstantFacts;
}

/** What of a node can be pruned, or why nothing can. */
export type Found = readonly NodeLinear[] | string;

/** What an operator asks of the graph around its node. */
export interface Surroundings {
  /** A value that is a constant. */
  constantOf(value: string): ConstantFacts | undefined;
  /** The constant matrix whose rows a value has, all of them, perhaps in another order: no group of inputs sees the difference. */
  rowsOf(value: string): ConstantFacts | undefined;
}

/** An operator with weights: one file, and its line in `index.ts`. */
export type Operator = (node: NodeMessage, around: Surroundings) => Found;

/** Why a node stays as it is whose weights are computed. */
export const NOT_CONSTANT = 'its weights are no constant of the graph';
