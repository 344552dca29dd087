import { meanOfChannels, sumOfRows } from './gradients.ts';
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
  emit(op, context: NormContext): void {
    const { output, groups = 1 } = op;
    const { graph, rows, width } = context;
    const { normal, scale } = normalised(op, context);
    const scaled = graph.node('Mul', [normal, scale], {}, groups === 1 ? [output] : undefined);
    if (groups > 1) graph.reshape(scaled, [rows, width(op.input)], output);
  },
  /** With n the normalised row, r its root and g = output · (weight + offset): (g - n · mean(g · n)) / r. */
  gradient(op, output, context) {
    const { input, groups = 1 } = op;
    const { graph, rows, width } = context;
    const { normal, root, scale } = normalised(op, context);
    const given = groupsOf(op, output, context);
    const ofNormal = graph.node('Mul', [given, scale]);
    const along = meanOfChannels(graph, graph.node('Mul', [ofNormal, normal]));
    const across = graph.node('Sub', [ofNormal, graph.node('Mul', [normal, along])]);
    const ofInput = graph.node('Div', [across, root]);
    const ofWeight = graph.node('Mul', [given, normal]);
    return {
      inputs: [groups === 1 ? ofInput : graph.reshape(ofInput, [rows, width(input)])],
      parameters: [sumOfRows(graph, ofWeight, groups === 1 ? [0] : [0, 1])],
    };
  },
} satisfies Operation<RmsNormOp>;

type NormContext = Pick<EmitContext, 'graph' | 'rows' | 'parameter' | 'width'>;

/** The rows, or the groups of each, divided by their roots; and what they are then multiplied by. */
function normalised(op: RmsNormOp, context: NormContext) {
  const { weight, epsilon, offset = 0 } = op;
  const { graph, parameter } = context;
  const grouped = groupsOf(op, op.input, context);
  const squares = graph.node('Pow', [grouped, graph.constant(2)]);
  const mean = meanOfChannels(graph, squares);
  const root = graph.node('Sqrt', [graph.node('Add', [mean, graph.constant(epsilon)])]);
  const normal = graph.node('Div', [grouped, root]);
  const given = parameter(weight);
  const scale = offset === 0 ? given : graph.node('Add', [given, graph.constant(offset)]);
  return { normal, root, scale };
}

/** (rows x channels) as (rows x groups x channels of each), where there are several. */
function groupsOf(
  { input, groups = 1 }: RmsNormOp,
  value: string,
  { graph, rows, width }: NormContext,
): string {
  return groups === 1 ? value : graph.reshape(value, [rows, groups, width(input) / groups]);
}
