import { gelu, geluSlope } from './activation.ts';
import { complement } from './gradients.ts';
import type { EmitContext, GraphWriter, Operation } from './operation.ts';

/** The activations of gates: silu, or gelu by its approximation with tanh. */
export type GateActivation = 'silu' | 'gelu';

/** `output = activation(gate) * up`, element by element (arXiv 2002.05202). */
export interface GatedActivationOp {
  readonly op: 'gatedActivation';
  readonly activation: GateActivation;
  readonly gate: string;
  readonly up: string;
  readonly output: string;
}

export const gatedActivation = {
  inputs: ({ gate, up }) => [gate, up],
  width: ({ gate }, { widthOf }) => widthOf(gate),
  elementwise: true,
  emit({ activation, gate, up, output }, { graph }: Pick<EmitContext, 'graph'>): void {
    const activated = activation === 'gelu' ? gelu(graph, gate) : silu(graph, gate);
    graph.node('Mul', [activated, up], {}, [output]);
  },
  gradient({ activation, gate, up }, output, { graph }) {
    const isGelu = activation === 'gelu';
    const slope = isGelu ? geluSlope(graph, gate) : siluSlope(graph, gate);
    const ofActivated = graph.node('Mul', [output, up]);
    const activated = isGelu ? gelu(graph, gate) : silu(graph, gate);
    return {
      inputs: [graph.node('Mul', [ofActivated, slope]), graph.node('Mul', [output, activated])],
    };
  },
} satisfies Operation<GatedActivationOp>;

/** silu(x) = x · sigmoid(x). */
function silu(graph: GraphWriter, x: string): string {
  return graph.node('Mul', [x, graph.node('Sigmoid', [x])]);
}

/** The derivative of `silu` at x: with s = sigmoid(x), it is `s + silu(x) (1 - s)`. */
function siluSlope(graph: GraphWriter, x: string): string {
  const gate = graph.node('Sigmoid', [x]);
  return graph.node('Add', [gate, graph.node('Mul', [silu(graph, x), complement(graph, gate)])]);
}
