import { complement } from './gradients.ts';
import type { EmitContext, GraphWriter, Operation } from './operation.ts';

/**
 * `output = (up + 1) · gate · sigmoid(alpha · gate)`, element by element, of a gate that is at most `limit` and an up between
 * `-limit` and `limit`: gpt-oss's gate (arXiv 2508.10925).
 */
export interface ClampedSwigluOp {
  readonly op: 'clampedSwiglu';
  readonly gate: string;
  readonly up: string;
  readonly output: string;
  /** Rounded to f32, as is `limit`. */
  readonly alpha: number;
  readonly limit: number;
}

export const clampedSwiglu = {
  inputs: ({ gate, up }) => [gate, up],
  width: ({ gate }, { widthOf }) => widthOf(gate),
  elementwise: true,
  emit(op, { graph }: Pick<EmitContext, 'graph'>): void {
    const { raised, gated } = factorsOf(op, graph);
    graph.node('Mul', [raised, gated], {}, [op.output]);
  },
  /** That of `g · sigmoid(alpha g)` with s the sigmoid is `s + alpha g s (1 - s)`; what is clamped has none. */
  gradient(op, output, { graph }) {
    const { raised, gated, share, clamped } = factorsOf(op, graph);
    const within = (value: string, bounded: string, gradient: string) =>
      graph.node('Where', [graph.node('Equal', [value, bounded]), gradient, graph.constant(0)]);
    const growth = graph.node('Mul', [
      graph.node('Mul', [gated, graph.constant(op.alpha)]),
      complement(graph, share),
    ]);
    const slope = graph.node('Add', [share, growth]);
    const ofGate = graph.node('Mul', [graph.node('Mul', [output, raised]), slope]);
    return {
      inputs: [
        within(op.gate, clamped.gate, ofGate),
        within(op.up, clamped.up, graph.node('Mul', [output, gated])),
      ],
    };
  },
} satisfies Operation<ClampedSwigluOp>;

/** `up + 1` and `gate · sigmoid(alpha · gate)` of what is clamped, and of what they are made. */
function factorsOf({ gate, up, alpha, limit }: ClampedSwigluOp, graph: GraphWriter) {
  const most = graph.constant(limit);
  const clamped = {
    gate: graph.node('Min', [gate, most]),
    up: graph.node('Max', [graph.node('Min', [up, most]), graph.constant(-limit)]),
  };
  const share = graph.node('Sigmoid', [graph.node('Mul', [clamped.gate, graph.constant(alpha)])]);
  const raised = graph.node('Add', [clamped.up, graph.constant(1)]);
  return { clamped, share, raised, gated: graph.node('Mul', [clamped.gate, share]) };
}
