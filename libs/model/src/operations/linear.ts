import { biasSlot, linearNamed, weightSlot } from '../description.ts';
import type { Operation } from './operation.ts';

/** `output = input · Wᵀ (+ bias)` with the linear of this name; its input is the linear's tap. */
export interface LinearOp {
  readonly op: 'linear';
  readonly linear: string;
  readonly input: string;
  readonly output: string;
}

export const linear = {
  inputs: ({ input }) => [input],
  width: (op, { description }) => linearNamed(description, op.linear).rows,
  /** One Gemm; the checkpoint's (outputs x inputs) matrix is read transposed, as it lies. */
  emit(op, { graph, description, parameter }): void {
    const { bias } = linearNamed(description, op.linear);
    const inputs = [op.input, parameter(weightSlot(op.linear))];
    if (bias !== undefined) inputs.push(parameter(biasSlot(op.linear)));
    graph.node('Gemm', inputs, { transB: 1 }, [op.output]);
  },
} satisfies Operation<LinearOp>;
