import { biasSlot, linearNamed, weightSlot } from '../description.ts';
import { sumOfRows } from './gradients.ts';
import type { Gradients, Operation } from './operation.ts';

/** `output = input · Wᵀ (+ bias)` with the linear of this name; its input is the linear's tap. */
export interface LinearOp {
  readonly op: 'linear';
  readonly linear: string;
  readonly input: string;
  readonly output: string;
}

export const linear = {
  part: 'block',
  inputs: ({ input }) => [input],
  parameters(op, description) {
    const weight = weightSlot(op.linear);
    return linearNamed(description, op.linear).bias === undefined ? [weight] : [weight, biasSlot(op.linear)];
  },
  width: (op, { description }) => linearNamed(description, op.linear).rows,
  /** One Gemm with `transB`: the matrix is (outputs x inputs), as the checkpoint stores it. */
  emit(op, { graph, description, parameter }): void {
    const parameters = linear.parameters(op, description).map(parameter);
    graph.node('Gemm', [op.input, ...parameters], { transB: 1 }, [op.output]);
  },
  /** Of the input `output · W`, of the matrix `outputᵀ · input`, of the bias the sum of the rows. */
  gradient(op, output, { graph, description, parameter }): Gradients {
    const [weight, bias] = linear.parameters(op, description).map(parameter);
    const ofWeight = graph.node('Gemm', [output, op.input], { transA: 1 });
    return {
      inputs: [graph.node('Gemm', [output, weight!])],
      parameters: bias === undefined ? [ofWeight] : [ofWeight, sumOfRows(graph, output)],
    };
  },
} satisfies Operation<LinearOp>;
