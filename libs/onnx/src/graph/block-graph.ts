import { EsparseError } from '@esparse/errors';
import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  type EmitContext,
  type ModelDescription,
  neededFor,
  operationOf,
  ropeTables,
  weightSlot,
} from '@esparse/model';
import { GraphBuilder } from './builder.ts';

/**
 * How a graph gets the block's weights. 'inputs': at each run, so that one session serves every block. 'constants':
 * when its session is made, which then serves that block only (see `GraphBuilder.external`).
 */
export type WeightBinding = 'inputs' | 'constants';

/** A graph of one block, for sequences of one length. */
export interface BlockGraph {
  /** The ONNX file: no weights in it. */
  readonly bytes: Uint8Array;
  /** The slots that it reads, as graph inputs or as constants, and their shapes. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /** Its outputs and their shapes. */
  readonly outputs: ReadonlyMap<string, readonly number[]>;
}

/**
 * Interprets a description's program as an ONNX graph that computes some of its values; mask and rotary tables are
 * constants in it.
 * @param values names of taps, or `BLOCK_OUTPUT`; what they do not need is left out
 */
export function buildBlockGraph(
  description: ModelDescription,
  rows: number,
  values: readonly string[],
  binding: WeightBinding = 'inputs',
): BlockGraph {
  const graph = new GraphBuilder(`${description.family}-block`);
  const known = slotShapes(description);
  const parameters = new Map<string, readonly number[]>();
  graph.input(BLOCK_INPUT, [rows, description.hidden]);
  let tables: ReturnType<EmitContext['rope']> | undefined;

  const context: EmitContext = {
    graph,
    description,
    rows,
    parameter(slot) {
      const shape = known.get(slot);
      if (shape === undefined) throw wrongFamily(description, `no parameter '${slot}'`);
      parameters.set(slot, shape);
      return binding === 'inputs' ? graph.input(slot, shape) : graph.external(slot, shape);
    },
    rope() {
      tables ??= storeRope(description, rows, graph);
      return tables;
    },
  };
  for (const op of neededFor(description.program, values)) {
    operationOf(op).emit(op, context);
  }
  const outputs = new Map(values.map((name) => [name, [rows, channelsOf(description, name)]]));
  for (const [name, shape] of outputs) graph.output(name, shape);
  return { bytes: graph.toBytes(), parameters, outputs };
}

/** The shape of every parameter, by slot. */
function slotShapes(description: ModelDescription): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const { name, rows, cols } of description.linears) shapes.set(weightSlot(name), [rows, cols]);
  for (const { slot, shape } of description.blockTensors(0)) shapes.set(slot, shape);
  return shapes;
}

function channelsOf(description: ModelDescription, value: string): number {
  if (value === BLOCK_OUTPUT) return description.hidden;
  const tap = description.taps.find(({ name }) => name === value);
  if (tap === undefined) throw wrongFamily(description, `no tap '${value}'`);
  return tap.channels;
}

function storeRope(
  { family, rope }: ModelDescription,
  rows: number,
  graph: GraphBuilder,
): ReturnType<EmitContext['rope']> {
  if (rope === undefined)
    throw new EsparseError('internal', `family '${family}' turns, but describes no rope`);
  const { cos, sin } = ropeTables(rope, rows);
  // As the halves of a head lie: (rows x heads x half x pair).
  const shape = [rows, 1, 1, rope.headDim / 2];
  return { cos: graph.constant(cos, shape), sin: graph.constant(sin, shape) };
}

function wrongFamily({ family }: ModelDescription, what: string): EsparseError {
  return new EsparseError('internal', `model family '${family}': ${what}`);
}
