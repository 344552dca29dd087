import type { EmitContext, Operation } from './operation.ts';

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
  emit({ gate, up, output, alpha, limit }, { graph }: Pick<EmitContext, 'graph'>): void {
    const [most, least] = [graph.constant(limit), graph.constant(-limit)];
    const clampedGate = graph.node('Min', [gate, most]);
    const clampedUp = graph.node('Max', [graph.node('Min', [up, most]), least]);
    const share = graph.node('Sigmoid', [graph.node('Mul', [clampedGate, graph.constant(alpha)])]);
    const gated = graph.node('Mul', [clampedGate, share]);
    graph.node('Mul', [graph.node('Add', [clampedUp, graph.constant(1)]), gated], {}, [output]);
  },
} satisfies Operation<ClampedSwigluOp>;
