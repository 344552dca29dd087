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
  /** Rows of a run: tokens of one sequence. */
  readonly rows: number;
  /** Channels of a value. */
  readonly width: (value: string) => number;
  /** The graph input, or constant, of a parameter: declared at its first use. */
  readonly parameter: (slot: string) => string;
  /** Adds the nodes of another operation: for one that holds a program. */
  readonly emit: (op: ProgramOp, context: EmitContext) => void;
  /** Rotary tables as constants of the graph: stored at their first use. */
  readonly rope: (spec: RopeSpec) => { readonly [K in keyof RopeTables]: string };
}

/** An attribute's value: one or several whole numbers, a float, or a word. */
export type AttributeValue =
  number | readonly number[] | { readonly float: number } | { readonly word: string };

/** The part of a graph's builder that operations write with. Values are known by their names. */
export interface GraphWriter {
  /** Declares an f32 input and gives its name. */
  input(name: string, shape: readonly number[]): string;
  /**
   * Adds a node of a standard operator and gives the name of its first output.
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
