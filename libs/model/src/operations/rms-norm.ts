import type { EmitContext, Operation } from './operation.ts';

/** `output = input / sqrt(mean(input²) + epsilon) * weight`, per row (arXiv 1910.07467). */
export interface RmsNormOp {
  readonly op: 'rmsNorm';
  readonly input: string;
  readonly output: string;
  /** Slot of the scale, (channels). */
  readonly weight: string;
  readonly epsilon: number;
}

export const rmsNorm = {
  inputs: ({ input }) => [input],
  parameters: ({ weight }) => [weight],
  width: ({ input }, { widthOf }) => widthOf(input),
  /**
   * The chain that ONNX Runtime recognises and runs as one kernel (SimplifiedLayerNormalization), written in standard
   * operators so that every provider runs it.
   */
  emit(
    { input, output, weight, epsilon },
    { graph, parameter }: Pick<EmitContext, 'graph' | 'parameter'>,
  ): void {
    const squares = graph.node('Pow', [input, graph.constant(2)]);
    const mean = graph.node('ReduceMean', [squares, graph.integers([-1])], { keepdims: 1 });
    const root = graph.node('Sqrt', [graph.node('Add', [mean, graph.constant(epsilon)])]);
    const normal = graph.node('Div', [input, root]);
    graph.node('Mul', [normal, parameter(weight)], {}, [output]);
  },
} satisfies Operation<RmsNormOp>;
