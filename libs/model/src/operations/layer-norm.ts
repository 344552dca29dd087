import type { EmitContext, Operation } from './operation.ts';

/** `output = (input - mean) / sqrt(variance + epsilon) * weight + bias`, per row (arXiv 1607.06450). */
export interface LayerNormOp {
  readonly op: 'layerNorm';
  readonly input: string;
  readonly output: string;
  /** Slot of the scale, (channels). */
  readonly weight: string;
  /** Slot of the shift, (channels). */
  readonly bias: string;
  readonly epsilon: number;
}

export const layerNorm = {
  inputs: ({ input }) => [input],
  parameters: ({ weight, bias }) => [weight, bias],
  width: ({ input }, { widthOf }) => widthOf(input),
  /** The standard operator (since opset 17), which every provider runs as one kernel. */
  emit(
    { input, output, weight, bias, epsilon },
    { graph, parameter }: Pick<EmitContext, 'graph' | 'parameter'>,
  ): void {
    const inputs = [input, parameter(weight), parameter(bias)];
    graph.node('LayerNormalization', inputs, { axis: -1, epsilon: { float: epsilon } }, [output]);
  },
} satisfies Operation<LayerNormOp>;
