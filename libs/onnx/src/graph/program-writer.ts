import { EsparseError } from '@esparse/errors';
import {
  operationOf,
  ropeTables,
  widthsOf,
  type EmitContext,
  type ModelDescription,
  type ProgramOp,
  type RopeSpec,
} from '@esparse/model';
import { GraphBuilder } from './builder.ts';

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
}

/** A graph that a part of a program is being written to. */
export interface ProgramWriter {
  readonly graph: GraphBuilder;
  /** What operations write themselves with. */
  readonly context: EmitContext;
  /** The slots that have been read, as graph inputs, and their shapes. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
}

/**
 * Begins a graph: its inputs are there. Mask and rotary tables become constants in it.
 * @param tokens of a sequence; 'tokens' where each run has another number, as an expert's
 * @param sequences of a run
 */
export function openProgramWriter(
  { name, description, program, given, slots }: ProgramPart,
  tokens: number | 'tokens',
  sequences = 1,
): ProgramWriter {
  const graph = new GraphBuilder(`${description.family}-${name}`);
  const parameters = new Map<string, readonly number[]>();
  const rows = tokens === 'tokens' ? tokens : sequences * tokens;
  for (const [input, channels] of Object.entries(given)) graph.input(input, [rows, channels]);
  const tables = new Map<RopeSpec, ReturnType<EmitContext['rope']>>();
  const widths = widthsOf(description, program, given);
  const context: EmitContext = {
    graph,
    description,
    sequences,
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
      return graph.input(slot, shape);
    },
    emit: (op, within) => {
      operationOf(op).emit(op, within);
    },
    rope(spec) {
      const stored = tables.get(spec) ?? storeRope(spec, context, graph);
      tables.set(spec, stored);
      return stored;
    },
  };
  return { graph, context, parameters };
}

/** Every sequence's rows have the angles of its own positions. */
function storeRope(
  spec: RopeSpec,
  { rows, sequences }: EmitContext,
  graph: GraphBuilder,
): ReturnType<EmitContext['rope']> {
  const { cos, sin } = ropeTables(spec, rows / sequences);
  // As what is rotated of a head lies: (rows x heads x pair).
  const shape = [rows, 1, spec.channels / 2];
  const store = (table: Float32Array) => graph.constant(repeated(table, sequences), shape);
  return { cos: store(cos), sin: store(sin) };
}

function repeated(values: Float32Array, times: number): Float32Array {
  const all = new Float32Array(times * values.length);
  for (let i = 0; i < times; i++) all.set(values, i * values.length);
  return all;
}

function wrongFamily({ family }: ModelDescription, what: string): EsparseError {
  return new EsparseError('internal', `model family '${family}': ${what}`);
}
