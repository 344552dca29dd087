import { EsparseError } from '@esparse/errors';
import {
  neededFor,
  operationOf,
  ropeTables,
  widthsOf,
  type EmitContext,
  type ModelDescription,
  type ProgramOp,
} from '@esparse/model';
import { GraphBuilder } from './builder.ts';

/**
 * How a graph gets its weights. 'inputs': at each run, so that one session serves every block. 'constants': when its
 * session is made, which then serves that block only (see `GraphBuilder.external`).
 */
export type WeightBinding = 'inputs' | 'constants';

/** A part of a model's program to make a graph of. */
export interface ProgramPart {
  /** What the graph is called. */
  readonly name: string;
  readonly description: ModelDescription;
  readonly program: readonly ProgramOp[];
  /** Channels of the values that are there before the first operation, by name: inputs of the graph. */
  readonly given: Readonly<Record<string, number>>;
  /** Shapes of the parameters that the part may read, by slot. */
  readonly slots: ReadonlyMap<string, readonly number[]>;
  /** @default 'inputs' */
  readonly binding?: WeightBinding;
}

/** A graph of a part of a program, for sequences of one length. */
export interface ProgramGraph {
  /** The ONNX file: no weights in it. */
  readonly bytes: Uint8Array;
  /** The slots that it reads, as graph inputs or as constants, and their shapes. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /** Its outputs and their shapes. */
  readonly outputs: ReadonlyMap<string, readonly number[]>;
}

/**
 * Writes a part of a program as an ONNX graph that computes some of its values; mask and rotary tables are constants in
 * it.
 * @param values what is wanted; operations that they do not need are left out
 */
export function buildProgramGraph(
  { name, description, program, given, slots, binding = 'inputs' }: ProgramPart,
  rows: number,
  values: readonly string[],
): ProgramGraph {
  const graph = new GraphBuilder(`${description.family}-${name}`);
  const parameters = new Map<string, readonly number[]>();
  for (const [input, channels] of Object.entries(given)) graph.input(input, [rows, channels]);
  let tables: ReturnType<EmitContext['rope']> | undefined;

  const context: EmitContext = {
    graph,
    description,
    rows,
    parameter(slot) {
      const shape = slots.get(slot);
      if (shape === undefined) throw wrongFamily(description, `no parameter '${slot}'`);
      parameters.set(slot, shape);
      return binding === 'inputs' ? graph.input(slot, shape) : graph.external(slot, shape);
    },
    rope() {
      tables ??= storeRope(description, rows, graph);
      return tables;
    },
  };
  const widths = widthsOf(description, program, given);
  for (const op of neededFor(program, values)) operationOf(op).emit(op, context);
  const outputs = new Map<string, readonly number[]>();
  for (const value of values) {
    const channels = widths.get(value);
    if (channels === undefined) throw wrongFamily(description, `no value '${value}'`);
    outputs.set(value, [rows, channels]);
    graph.output(value, [rows, channels]);
  }
  return { bytes: graph.toBytes(), parameters, outputs };
}

function storeRope(
  { family, rope }: ModelDescription,
  rows: number,
  graph: GraphBuilder,
): ReturnType<EmitContext['rope']> {
  if (rope === undefined)
    throw new EsparseError(
      'internal',
      `family '${family}' has a rotary embedding in its program, but describes no rope`,
    );
  const { cos, sin } = ropeTables(rope, rows);
  // As the halves of a head lie: (rows x heads x half x pair).
  const shape = [rows, 1, 1, rope.headDim / 2];
  return { cos: graph.constant(cos, shape), sin: graph.constant(sin, shape) };
}

function wrongFamily({ family }: ModelDescription, what: string): EsparseError {
  return new EsparseError('internal', `model family '${family}': ${what}`);
}
