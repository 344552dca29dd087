import type { EmitContext, Operation } from './operation.ts';

/** `output = input / sqrt(mean(input²) + epsilon) * (weight + offset)`, per row (arXiv 1910.07467). */
export interface RmsNormOp {
  readonly op: 'rmsNorm';
  readonly input: string;
  readonly output: string;
  /** Slot of the scale, (channels / groups). */
  readonly weight: string;
  readonly epsilon: number;
  /** Added to the weight: 1 where the checkpoint keeps what is left of it then (Gemma). @default 0 */
  readonly offset?: number;
  /** Parts of a row that are normalised each by itself, all with the same weight: heads. @default 1 */
  readonly groups?: number;
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
    { input, output, weight, epsilon, offset = 0, groups = 1 },
    { graph, rows, parameter, width }: Pick<EmitContext, 'graph' | 'rows' | 'parameter' | 'width'>,
  ): void {
    const grouped = groups === 1 ? input : graph.reshape(input, [rows, groups, width(input) / groups]);
    const squares = graph.node('Pow', [grouped, graph.constant(2)]);
    const mean = graph.node('ReduceMean', [squares, graph.integers([-1])], { keepdims: 1 });
    const root = graph.node('Sqrt', [graph.node('Add', [mean, graph.constant(epsilon)])]);
    const normal = graph.node('Div', [grouped, root]);
    const given = parameter(weight);
    const scale = offset === 0 ? given : graph.node('Add', [given, graph.constant(offset)]);
    const scaled = graph.node('Mul', [normal, scale], {}, groups === 1 ? [output] : undefined);
    if (groups > 1) graph.reshape(scaled, [rows, width(input)], output);
  },
} satisfies Operation<RmsNormOp>;
