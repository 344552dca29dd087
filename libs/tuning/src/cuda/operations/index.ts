import { EsparseError } from '@esparse/errors';
import type { BlockOp, ModelDescription } from '@esparse/model';
import type { CudaOperation } from '../operation.ts';
import { activation } from './activation.ts';
import { add } from './add.ts';
import { attention } from './attention.ts';
import { gatedActivation } from './gated-activation.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import { rmsNorm } from './rms-norm.ts';
import { rope } from './rope.ts';
import { scale } from './scale.ts';

/** The operations that are tuned on a GPU. */
const OPERATIONS: Readonly<Partial<Record<BlockOp['op'], unknown>>> = {
  ...{ activation, add, attention, gatedActivation, layerNorm, linear, rmsNorm, rope, scale },
};

/** @throws EsparseError 'unsupported' for one that is not tuned there */
export function cudaOperationOf({ family }: ModelDescription, op: BlockOp): CudaOperation<BlockOp> {
  const found = OPERATIONS[op.op];
  const without = found === undefined ? nameOf(op) : oddityOf(op);
  // By its own name: the compiler cannot follow that through the table.
  if (without === undefined) return found as CudaOperation<BlockOp>;
  throw new EsparseError(
    'unsupported',
    `a block of this ${family} model has ${without}, which is not tuned on a GPU`,
    { hint: 'choose a pipeline without tuning, or tune block by block with `prune --device cpu`' },
  );
}

function nameOf({ op }: BlockOp): string {
  return op === 'router' || op === 'experts' ? 'a mixture of experts' : `the operation '${op}'`;
}

/** What the kernels do not take: they read eight channels at once. */
function oddityOf(op: BlockOp): string | undefined {
  if (op.op === 'attention' && op.sinks !== undefined) return 'attention with sinks';
  if (op.op === 'attention' && op.headDim % 8 !== 0) return `heads of ${op.headDim} channels`;
  return undefined;
}
