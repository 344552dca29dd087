import type { Operation } from './operation.ts';

/** The activations that programs may name. */
export type Activation = 'relu';

/** `output = activation(input)`, element by element. */
export interface ActivationOp {
  readonly op: 'activation';
  readonly activation: Activation;
  readonly input: string;
  readonly output: string;
}

/** The standard operator of each activation. */
const OPERATORS: Readonly<Record<Activation, string>> = { relu: 'Relu' };

export const activation = {
  inputs: ({ input }) => [input],
  width: ({ input }, { widthOf }) => widthOf(input),
  elementwise: true,
  emit(op, { graph }): void {
    graph.node(OPERATORS[op.activation], [op.input], {}, [op.output]);
  },
} satisfies Operation<ActivationOp>;
