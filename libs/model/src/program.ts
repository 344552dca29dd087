import { operationOf, type BlockOp } from './operations/index.ts';

/**
 * The block program: what one decoder block computes, as a short list of operations over named values. It is data, so
 * that the ONNX graph and the backends of the engine are driven by one description.
 *
 * Every value is a matrix, rows = tokens of one sequence, row-major. The program starts with one value,
 * `BLOCK_INPUT` (rows x hidden), and ends by defining `BLOCK_OUTPUT` (rows x hidden). Each value is defined once.
 * A value whose name is that of a tap is that tap. Parameters are named by slot, see `ModelDescription`.
 */

/** The value a program starts with. */
export const BLOCK_INPUT = 'hidden';
/** The value a program ends with. */
export const BLOCK_OUTPUT = 'output';

/** The operations that these values need, in program order: everything else need not be computed. */
export function neededFor(program: readonly BlockOp[], values: readonly string[]): BlockOp[] {
  const wanted = new Set(values);
  const needed: BlockOp[] = [];
  for (const op of program.toReversed()) {
    if (!wanted.has(op.output)) continue;
    needed.push(op);
    for (const input of operationOf(op).inputs(op)) wanted.add(input);
  }
  return needed.reverse();
}
