import type { EmitContext, Operation } from './operation.ts';

/**
 * Which experts each token is sent to, and how much each of them counts (arXiv 2101.03961): the softmax of
 * `input · Wᵀ (+ bias)` over all experts, where it is largest; zero elsewhere. Of equal ones the first are chosen.
 */
export interface RouterOp {
  readonly op: 'router';
  readonly input: string;
  /** (rows x experts) */
  readonly output: string;
  /** Slot of the router's matrix, (experts x channels). It is never pruned. */
  readonly weight: string;
  /** Slot of its bias, (experts). @default none */
  readonly bias?: string;
  readonly experts: number;
  /** Experts that a token is sent to. */
  readonly top: number;
  /** Whether the shares of a token add up to 1 (`norm_topk_prob`). */
  readonly normalise: boolean;
}

export const router = {
  part: 'block',
  inputs: ({ input }) => [input],
  parameters: ({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]),
  width: ({ experts }) => experts,
  emit(op, { graph, parameter }: Pick<EmitContext, 'graph' | 'parameter'>): void {
    const { input, output, top, normalise } = op;
    const gate = graph.node('Gemm', [input, ...router.parameters(op).map(parameter)], { transB: 1 });
    const shares = graph.node('Softmax', [gate], { axis: -1 });
    const [largest, chosen] = [`${output}_shares`, `${output}_chosen`];
    graph.node('TopK', [shares, graph.integers([top])], { axis: -1 }, [largest, chosen]);
    const sum = () => graph.node('ReduceSum', [largest, graph.integers([-1])], { keepdims: 1 });
    const values = normalise ? graph.node('Div', [largest, sum()]) : largest;
    const none = graph.node('Mul', [shares, graph.constant(0)]);
    graph.node('ScatterElements', [none, chosen, values], { axis: -1 }, [output]);
  },
} satisfies Operation<RouterOp>;
