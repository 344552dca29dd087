import type { BlockOp, OperationName, ProgramOp } from '@esparse/model';
import { activation } from './activation.ts';
import { add } from './add.ts';
import { attention } from './attention.ts';
import { gatedActivation } from './gated-activation.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import type { CudaOperation } from './operation.ts';
import { rmsNorm } from './rms-norm.ts';
import { rope } from './rope.ts';
import { scale } from './scale.ts';

/** The operations of a block that run on a GPU: a new one is a file beside this and its line here. */
const OPERATIONS = {
  rmsNorm,
  layerNorm,
  linear,
  rope,
  attention,
  activation,
  gatedActivation,
  add,
  scale,
};

/** How an operation is launched; undefined for one that has no kernels. */
export function cudaOperation(op: ProgramOp): CudaOperation<BlockOp> | undefined {
  const table: Partial<Record<OperationName, unknown>> = OPERATIONS;
  // An operation is found by its own name; the compiler cannot follow that through the table.
  return table[op.op] as CudaOperation<BlockOp> | undefined;
}
