import { meanOfChannels, sumOfRows } from './gradients.ts';
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
  /** With n the normalised row, r its root and g = output · weight: (g - mean(g) - n · mean(g · n)) / r. */
  gradient({ input, weight, epsilon }, output, { graph, parameter }) {
    const centred = graph.node('Sub', [input, meanOfChannels(graph, input)]);
    const variance = meanOfChannels(graph, graph.node('Mul', [centred, centred]));
    const root = graph.node('Sqrt', [graph.node('Add', [variance, graph.constant(epsilon)])]);
    const normal = graph.node('Div', [centred, root]);
    const ofNormal = graph.node('Mul', [output, parameter(weight)]);
    const along = meanOfChannels(graph, graph.node('Mul', [ofNormal, normal]));
    const level = graph.node('Sub', [ofNormal, meanOfChannels(graph, ofNormal)]);
    const across = graph.node('Sub', [level, graph.node('Mul', [normal, along])]);
    return {
      inputs: [graph.node('Div', [across, root])],
      parameters: [sumOfRows(graph, graph.node('Mul', [output, normal])), sumOfRows(graph, output)],
    };
  },
} satisfies Operation<LayerNormOp>;
