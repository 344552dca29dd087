import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from './description.ts';
import { operationOf, type BlockOp, type ProgramOp } from './operations/index.ts';
import type { RopeSpec } from './rope/spec.ts';

/**
 * What a model computes, as three short lists of operations over named values. It is data, so that the ONNX graphs and
 * the backends of the engine are driven by one description.
 *
 * Every value is a matrix, rows = tokens of one sequence, row-major. Within a list each value is defined once, before it
 * is read. Parameters are named by slot: those of a block as its description says, those of the other two lists by the
 * checkpoint's names of the tensors.
 */
export interface ModelProgram {
  /** Defines `BLOCK_INPUT`, (rows x hidden), from the tokens and their positions. */
  readonly embed: readonly ProgramOp[];
  /**
   * Decoder blocks: each starts with `BLOCK_INPUT` and defines `BLOCK_OUTPUT`, (rows x hidden), which is the next block's
   * input. A value whose name is that of a tap is that tap. Most models have one list, which all of their blocks run;
   * those whose layers differ, as some with a window of attention and some without, have one for each kind of layer.
   */
  readonly blocks: readonly (readonly BlockOp[])[];
  /** Which of `blocks` a block of the model runs. @default the first */
  readonly kindOf?: (block: number) => number;
  /** Starts with the last block's `BLOCK_OUTPUT` and ends with an operation 'logits' that defines `LOGITS`. */
  readonly head: readonly ProgramOp[];
}

/** The value a block starts with. */
export const BLOCK_INPUT = 'hidden';
/** The value a block ends with. */
export const BLOCK_OUTPUT = 'output';
/** The value a model ends with, (rows x vocab). */
export const LOGITS = 'logits';

/** The index in `blocks` of what a block of the model runs. */
export function kindOf({ kindOf: kind }: Pick<ModelProgram, 'kindOf'>, block: number): number {
  return kind?.(block) ?? 0;
}

/** The rotary embeddings of a model's blocks, each once. */
export function ropesOf({ blocks }: ModelProgram): RopeSpec[] {
  return [...new Set(blocks.flat().flatMap((op) => (op.op === 'rope' ? [op.spec] : [])))];
}

/** The operations that these values need, in program order: everything else need not be computed. */
export function neededFor<Op extends ProgramOp>(program: readonly Op[], values: readonly string[]): Op[] {
  const wanted = new Set(values);
  const needed: Op[] = [];
  for (const op of program.toReversed()) {
    if (!wanted.has(op.output)) continue;
    needed.push(op);
    for (const input of operationOf(op).inputs(op)) wanted.add(input);
  }
  return needed.reverse();
}

/**
 * The channels of every value of a part of the program, by name.
 * @param inputs those that are there before its first operation
 * @throws EsparseError 'internal' for a value that is read before it is defined
 */
export function widthsOf(
  description: ModelDescription,
  program: readonly ProgramOp[],
  inputs: Readonly<Record<string, number>>,
): ReadonlyMap<string, number> {
  const widths = new Map(Object.entries(inputs));
  const widthOf = (value: string): number => {
    const width = widths.get(value);
    if (width !== undefined) return width;
    throw new EsparseError('internal', `model family '${description.family}': no value '${value}'`);
  };
  for (const op of program) {
    const operation = operationOf(op);
    operation.inputs(op).forEach(widthOf);
    widths.set(op.output, operation.width(op, { description, widthOf }));
  }
  return widths;
}
