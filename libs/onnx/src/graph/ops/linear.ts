import { EsparseError } from '@esparse/errors';
import { biasSlot, type LinearOp, weightSlot } from '@esparse/model';
import type { EmitContext } from './context.ts';

/** One Gemm; the checkpoint's (outputs x inputs) matrix is read transposed, as it lies. */
export function emitLinear(op: LinearOp, { graph, description, parameter }: EmitContext): void {
  const linear = description.linears.find(({ name }) => name === op.linear);
  if (linear === undefined) {
    throw new EsparseError('internal', `family '${description.family}': no linear '${op.linear}'`);
  }
  const inputs = [op.input, parameter(weightSlot(op.linear))];
  if (linear.bias !== undefined) inputs.push(parameter(biasSlot(op.linear)));
  graph.node('Gemm', inputs, { transB: 1 }, [op.output]);
}
