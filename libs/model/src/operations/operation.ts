import type { ModelDescription } from '../description.ts';
import type { ProgramOp } from './index.ts';
import type { RopeSpec } from '../rope/spec.ts';
import type { RopeTables } from '../rope/tables.ts';

/**
 * All that a program's operation says of itself but how a backend of the engine computes it: that is said by the backend,
 * since this library loads no runtime. One file an operation, registered in `index.ts`.
 */
export interface Operation<Op> {
  /** The names of the values that it reads. */
  readonly inputs: (op: Op) => readonly string[];
  /** The slots of the parameters that it reads. @default none */
  readonly parameters?: (op: Op, description: ModelDescription) => readonly string[];
  /** Channels of its output. */
  readonly width: (op: Op, context: WidthContext) => number;
  /** Element i of the output depends on the elements i of the inputs alone, so it may write where it reads. */
  readonly elementwise?: boolean;
  /** The only part of a model's program where it may stand. @default any */
  readonly part?: 'embed' | 'block' | 'head';
  /** Adds its nodes to an ONNX graph; the last one's output is named as the operation's. */
  readonly emit: (op: Op, context: EmitContext) => void;
  /** The same in the graph of a whole model, see `ModelContext`. @default `emit`, for what each row is by itself */
  readonly emitInModel?: (op: Op, context: ModelContext) => void;
  /**
   * Adds the nodes that carry a gradient back, from the operation's output to what it reads. `emit` has written to the
   * same graph: a value of the forward pass is had by writing the node that computes it, which is there once (see
   * `GraphWriter.node`).
   * @param output the gradient of its output, shaped as that is
   * @default none: blocks that have the operation are not tuned
   */
  readonly gradient?: (op: Op, output: string, context: EmitContext) => Gradients;
}

/** Gradients of what an operation reads, by the names of values in the graph, each shaped as what it is the gradient of. */
export interface Gradients {
  /** In the order of the operation's `inputs`. */
  readonly inputs: readonly string[];
  /** In the order of its `parameters`. @default none */
  readonly parameters?: readonly string[];
}

/** What an operation may ask for to tell the channels of its output. */
export interface WidthContext {
  readonly description: ModelDescription;
  /** Channels of a value that is defined before. */
  readonly widthOf: (value: string) => number;
}

/** What an operation may ask for to write itself as ONNX. */
export interface EmitContext {
  readonly graph: GraphWriter;
  readonly description: ModelDescription;
  /**
   * Rows of a run: the tokens of its sequences, one sequence after the other. -1 where that is known at run time only:
   * `reshape` takes it.
   */
  readonly rows: number;
  /** Sequences of a run, all of the same length. -1 where that is known at run time only. */
  readonly sequences: number;
  /** Channels of a value. */
  readonly width: (value: string) => number;
  /** The graph input, or constant, of a parameter: declared at its first use. */
  readonly parameter: (slot: string) => string;
  /** Adds the nodes of another operation: for one that holds a program. */
  readonly emit: (op: ProgramOp, context: EmitContext) => void;
  /** Rotary tables as constants of the graph: stored at their first use. */
  readonly rope: (spec: RopeSpec) => { readonly [K in keyof RopeTables]: string };
}

/**
 * What an operation may ask for besides to write itself into the graph of a whole model, for a batch of sequences of any
 * length that go on from a cache. Rows are the tokens of all sequences, one sequence after the other.
 */
export interface ModelContext extends EmitContext {
  /** (rows), the token or the position of each row. */
  readonly index: (kind: 'token' | 'position') => string;
  /** (2), how many sequences there are, and how many tokens of each are new. */
  readonly batch: string;
  /**
   * What is added to scores, (sequences x 1 x 1 x new tokens x all tokens): nothing where a token sees another, `MASKED`
   * elsewhere.
   */
  readonly mask: (window: number | undefined) => string;
  /** Keys or values of the new tokens behind those of the cache: (sequences x heads x tokens x channels), both. */
  readonly cached: (
    part: 'key' | 'value',
    fresh: string,
    shape: { heads: number; channels: number },
  ) => string;
}

/** What a masked score becomes: exp() of it is zero, and no infinity enters the arithmetic. */
export const MASKED = -1e30;

/** An attribute's value: one or several whole numbers, a float, or a word. */
export type AttributeValue =
  number | readonly number[] | { readonly float: number } | { readonly word: string };

/** The part of a graph's builder that operations write with. Values are known by their names. */
export interface GraphWriter {
  /** Declares an f32 input and gives its name. */
  input(name: string, shape: readonly number[]): string;
  /**
   * Adds a node of a standard operator and gives the name of its first output. Without names of its outputs, a node that is
   * there already is not added again.
   * @param outputs the names of its outputs; by default one, named after the operator
   */
  node(
    operator: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    outputs?: readonly string[],
  ): string;
  /** An f32 constant; a number is a scalar. */
  constant(value: number): string;
  constant(value: Float32Array, shape: readonly number[]): string;
  /** A list of whole numbers, for shapes, axes and bounds. */
  integers(values: readonly number[]): string;
  /** `value` with another shape. */
  reshape(value: string, shape: readonly number[], output?: string): string;
}
