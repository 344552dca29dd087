import {
  BLOCK_INPUT,
  kindOf,
  linearsOf,
  widthsOf,
  type BlockOp,
  type ModelDescription,
} from '@esparse/model';
import type { BlockStageShape } from '@esparse/sparsity';
import { product, sum } from './sum.ts';
import type { Workload } from './workload.ts';

/** A block of the model as block stages meet it: the one that has most weights. */
export function blockShape({ description, largest, samples, seqlen }: Workload): BlockStageShape {
  return shapeOfBlock(description, largest.block, { samples, seqlen });
}

/** One of its blocks. */
export function shapeOfBlock(
  description: ModelDescription,
  block: number,
  { samples, seqlen }: Pick<Workload, 'samples' | 'seqlen'>,
): BlockStageShape {
  const linears = linearsOf(description, block);
  return {
    weights: sum(linears.map(({ rows, cols }) => rows * cols)),
    others: sum(description.blockTensors(block).map(({ shape }) => product(shape))),
    values: valuesOf(description, block, seqlen),
    hidden: description.hidden,
    sequences: samples,
    seqlen,
  };
}

/** Channels of all values of a block's program, of one token: attention has a score for every token and head besides. */
function valuesOf(description: ModelDescription, block: number, seqlen: number): number {
  const program = description.program.blocks[kindOf(description.program, block)]!;
  const widths = widthsOf(description, program, { [BLOCK_INPUT]: description.hidden });
  return sum([...widths.values()]) + sum(program.map((op) => scoresOf(op, seqlen)));
}

function scoresOf(op: BlockOp, seqlen: number): number {
  return op.op === 'attention' ? op.heads * seqlen : 0;
}
