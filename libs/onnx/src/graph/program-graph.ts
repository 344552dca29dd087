import { EsparseError } from '@esparse/errors';
import {
  neededFor,
  operationOf,
  ropeTables,
  widthsOf,
  type EmitContext,
  type ModelDescription,
  type ProgramOp,
  type RopeSpec,
} from '@esparse/model';
import { GraphBuilder, type Dimension } from './builder.ts';

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

/** A graph of a part of a program, for sequences of one length or, where its rows are not known, of any. */
export interface ProgramGraph {
  /** The ONNX file: no weights in it. */
  readonly bytes: Uint8Array;
  /** The slots that it reads, as graph inputs or as constants, and their shapes. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /** Its outputs and their shapes: rows, where they are known, and channels. */
  readonly outputs: ReadonlyMap<string, readonly [rows: Dimension, channels: number]>;
}

/**
 * Writes a part of a program as an ONNX graph that computes some of its values; mask and rotary tables are constants in
 * it.
 * @param rows tokens of a run; 'tokens' where each run has another number, as an expert's
 * @param values what is wanted; operations that they do not need are left out
 */
export function buildProgramGraph(
  { name, description, program, given, slots, binding = 'inputs' }: ProgramPart,
  rows: number | 'tokens',
  values: readonly string[],
): ProgramGraph {
  const graph = new GraphBuilder(`${description.family}-${name}`);
  const parameters = new Map<string, readonly number[]>();
  for (const [input, channels] of Object.entries(given)) graph.input(input, [rows, channels]);
  const tables = new Map<RopeSpec, ReturnType<EmitContext['rope']>>();

  const widths = widthsOf(description, program, given);
  const context: EmitContext = {
    graph,
    description,
    get rows() {
      if (rows !== 'tokens') return rows;
      throw wrongFamily(description, 'an expert has an operation that must know the number of tokens');
    },
    width(value) {
      const channels = widths.get(value);
      if (channels === undefined) throw wrongFamily(description, `no value '${value}'`);
      return channels;
    },
    parameter(slot) {
      const shape = slots.get(slot);
      if (shape === undefined) throw wrongFamily(description, `no parameter '${slot}'`);
      parameters.set(slot, shape);
      return binding === 'inputs' ? graph.input(slot, shape) : graph.external(slot, shape);
    },
    emit: (op, within) => {
      operationOf(op).emit(op, within);
    },
    rope(spec) {
      const stored = tables.get(spec) ?? storeRope(spec, context.rows, graph);
      tables.set(spec, stored);
      return stored;
    },
  };
  for (const op of neededFor(program, values)) operationOf(op).emit(op, context);
  const outputs = new Map<string, readonly [Dimension, number]>();
  for (const value of values) {
    const shape = [rows, context.width(value)] as const;
    outputs.set(value, shape);
    graph.output(value, shape);
  }
  return { bytes: graph.toBytes(), parameters, outputs };
}

function storeRope(spec: RopeSpec, rows: number, graph: GraphBuilder): ReturnType<EmitContext['rope']> {
  const { cos, sin } = ropeTables(spec, rows);
  // As what is rotated of a head lies: (rows x heads x pair).
  const shape = [rows, 1, spec.channels / 2];
  return { cos: graph.constant(cos, shape), sin: graph.constant(sin, shape) };
}

function wrongFamily({ family }: ModelDescription, what: string): EsparseError {
  return new EsparseError('internal', `model family '${family}': ${what}`);
}
