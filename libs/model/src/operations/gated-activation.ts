import type { EmitContext, Operation } from './operation.ts';

/** The activations of gates. */
export type GateActivation = 'silu';

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
  /** silu(x) = x · sigmoid(x). */
  emit({ gate, up, output }, { graph }: Pick<EmitContext, 'graph'>): void {
    const activated = graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]);
    graph.node('Mul', [activated, up], {}, [output]);
  },
} satisfies Operation<GatedActivationOp>;
