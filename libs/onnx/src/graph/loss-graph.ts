import { EsparseError } from '@esparse/errors';
import {
  BLOCK_OUTPUT,
  neededFor,
  operationOf,
  type BlockOp,
  type EmitContext,
  type GraphWriter,
  type ModelDescription,
} from '@esparse/model';
import { openProgramWriter, type ProgramPart } from './program-writer.ts';

/** The input of a loss graph that the block's output is compared with. */
export const TARGET = 'target';
/** Its output: the mean squared error. */
export const LOSS = 'loss';
/** What the inputs are called that gradients are added to, before what these are of. */
export const SUM = 'sum/';

/** A graph of how far a block's output is from a target, and of the gradients of that. */
export interface LossGraph {
  /** The ONNX file: no weights in it. */
  readonly bytes: Uint8Array;
  /** The slots that it reads, all graph inputs, and their shapes. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /**
   * By what they are of: the outputs that are the gradients, each added to what is given for it. The inputs of these are the
   * `SUM`s of the same names, shaped alike.
   */
  readonly gradients: ReadonlyMap<string, string>;
}

export interface LossGraphOptions {
  /** Tokens of a sequence. */
  readonly tokens: number;
  /** Sequences of a run. */
  readonly sequences: number;
  /** Whether the error of each row counts as a part of its target's mean square. @default false */
  readonly relative?: boolean | undefined;
  /** What is wanted the gradients of: slots of parameters, or values that are given. @default none: the loss alone */
  readonly of?: readonly string[];
}

/**
 * Writes the forward pass of a block, `LOSS` = the mean of (output - target)², a scalar, and gradients of the loss, by
 * reverse mode.
 * @throws EsparseError 'unsupported' for a block with an operation that has no gradient
 */
export function buildLossGraph(
  part: ProgramPart & { readonly program: readonly BlockOp[] },
  { tokens, sequences, relative = false, of = [] }: LossGraphOptions,
): LossGraph {
  const { graph, context, parameters } = openProgramWriter(part, tokens, sequences);
  const shape = [context.rows, context.width(BLOCK_OUTPUT)];
  const program = neededFor(part.program, [BLOCK_OUTPUT]);
  for (const op of program) operationOf(op).emit(op, context);

  const target = graph.input(TARGET, shape);
  const difference = graph.node('Sub', [BLOCK_OUTPUT, target]);
  /** (rows x 1): what a row's mean square is multiplied by. */
  const weight = relative ? inverseSizes(graph, target) : undefined;
  const squares = graph.node('Mul', [difference, difference]);
  // Rows first: a sum of all elements one after the other would lose the last bits of f32.
  const means = graph.node('ReduceMean', [squares, graph.integers([1])], { keepdims: 1 });
  const ofRows = graph.reshape(weight === undefined ? means : graph.node('Mul', [means, weight]), [
    shape[0]!,
  ]);
  graph.node('ReduceMean', [ofRows, graph.integers([0])], { keepdims: 0 }, [LOSS]);
  graph.output(LOSS, []);

  const gradients = new Map<string, string>();
  if (of.length > 0) {
    const plain = graph.node('Mul', [difference, graph.constant(2 / (shape[0]! * shape[1]!))]);
    const start = weight === undefined ? plain : graph.node('Mul', [plain, weight]);
    const all = carryBack(program, new Map([[BLOCK_OUTPUT, start]]), context);
    for (const name of of) {
      const shape = parameters.get(name) ?? [context.rows, context.width(name)];
      const sum = graph.node('Add', [graph.input(SUM + name, shape), all.get(name)!]);
      graph.output(sum, shape);
      gradients.set(name, sum);
    }
  }
  return { bytes: graph.toBytes(), parameters, gradients };
}

/** Added to a target's mean square, so that none is divided by 0. */
const LEAST_SQUARE = 1e-12;

/** (rows x 1): one over the mean square of each row. */
function inverseSizes(graph: GraphWriter, value: string): string {
  const squares = graph.node('Mul', [value, value]);
  const means = graph.node('ReduceMean', [squares, graph.integers([1])], { keepdims: 1 });
  return graph.node('Div', [graph.constant(1), graph.node('Add', [means, graph.constant(LEAST_SQUARE)])]);
}

/**
 * From the last operation to the first, each turns the gradient of its output into those of what it reads. What several read
 * has the sum of theirs.
 * @returns of every value and parameter, by name
 */
function carryBack(
  program: readonly BlockOp[],
  given: ReadonlyMap<string, string>,
  context: EmitContext,
): ReadonlyMap<string, string> {
  const { graph, description } = context;
  const gradients = new Map(given);
  const add = (name: string, part: string) => {
    const sum = gradients.get(name);
    gradients.set(name, sum === undefined ? part : graph.node('Add', [sum, part]));
  };
  for (const op of program.toReversed()) {
    const operation = operationOf(op);
    if (operation.gradient === undefined) throw noGradient(description, op);
    const { inputs, parameters = [] } = operation.gradient(op, gradients.get(op.output)!, context);
    operation.inputs(op).forEach((name, i) => {
      add(name, inputs[i]!);
    });
    operation.parameters?.(op, description).forEach((slot, i) => {
      add(slot, parameters[i]!);
    });
  }
  return gradients;
}

/** @throws EsparseError 'unsupported' where a block of a kind has an operation without a gradient */
export function requireGradients(description: ModelDescription, kind: number): void {
  const without = description.program.blocks[kind]!.find((op) => operationOf(op).gradient === undefined);
  if (without !== undefined) throw noGradient(description, without);
}

function noGradient({ family }: ModelDescription, { op }: BlockOp): EsparseError {
  const what = op === 'router' || op === 'experts' ? 'a mixture of experts' : `the operation '${op}'`;
  return new EsparseError('unsupported', `a block of this ${family} model has ${what}, which is not tuned`, {
    hint: 'choose a pipeline without tuning',
  });
}
