import type { GraphWriter, Operation } from './operation.ts';

/** The activations that programs may name: relu, or gelu by its approximation with tanh (arXiv 1606.08415). */
export type Activation = 'relu' | 'gelu';

/** `output = activation(input)`, element by element. */
export interface ActivationOp {
  readonly op: 'activation';
  readonly activation: Activation;
  readonly input: string;
  readonly output: string;
}

export const activation = {
  inputs: ({ input }) => [input],
  width: ({ input }, { widthOf }) => widthOf(input),
  elementwise: true,
  emit(op, { graph }): void {
    if (op.activation === 'gelu') gelu(graph, op.input, op.output);
    else graph.node('Relu', [op.input], {}, [op.output]);
  },
} satisfies Operation<ActivationOp>;

/** `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`, written as x · sigmoid(2 √(2/π) (…)), of operators that every provider has. */
export function gelu(graph: GraphWriter, x: string, output?: string): string {
  const cube = graph.node('Mul', [graph.node('Mul', [x, x]), x]);
  const inner = graph.node('Add', [x, graph.node('Mul', [cube, graph.constant(0.044715)])]);
  const slope = graph.node('Mul', [inner, graph.constant(2 * Math.sqrt(2 / Math.PI))]);
  return graph.node(
    'Mul',
    [x, graph.node('Sigmoid', [slope])],
    {},
    output === undefined ? undefined : [output],
  );
}
