import { complement } from './gradients.ts';
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
  gradient({ activation: kind, input }, output, { graph }) {
    if (kind === 'gelu') return { inputs: [graph.node('Mul', [output, geluSlope(graph, input)])] };
    const isOn = graph.node('Greater', [input, graph.constant(0)]);
    return { inputs: [graph.node('Where', [isOn, output, graph.constant(0)])] };
  },
} satisfies Operation<ActivationOp>;

/** `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`, written as x · sigmoid(2 √(2/π) (…)), of operators that every provider has. */
export function gelu(graph: GraphWriter, x: string, output?: string): string {
  return graph.node('Mul', [x, gateOf(graph, x)], {}, output === undefined ? undefined : [output]);
}

/** The derivative of `gelu` at x: with `gelu(x) = x · s(u(x))`, it is `s + x · s (1 - s) · u'(x)`. */
export function geluSlope(graph: GraphWriter, x: string): string {
  const gate = gateOf(graph, x);
  const squares = graph.node('Mul', [graph.node('Mul', [x, x]), graph.constant(3 * CUBIC)]);
  const inner = graph.node('Mul', [complement(graph, gate), graph.node('Add', [squares, graph.constant(1)])]);
  const ofGate = graph.node('Mul', [graph.node('Mul', [inner, graph.constant(STEEPNESS)]), x]);
  return graph.node('Mul', [gate, graph.node('Add', [ofGate, graph.constant(1)])]);
}

const CUBIC = 0.044715;
const STEEPNESS = 2 * Math.sqrt(2 / Math.PI);

/** sigmoid(2 √(2/π) (x + 0.044715 x³)) */
function gateOf(graph: GraphWriter, x: string): string {
  const cube = graph.node('Mul', [graph.node('Mul', [x, x]), x]);
  const inner = graph.node('Add', [x, graph.node('Mul', [cube, graph.constant(CUBIC)])]);
  return graph.node('Sigmoid', [graph.node('Mul', [inner, graph.constant(STEEPNESS)])]);
}
