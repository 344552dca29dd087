import { outerTensor } from '../description.ts';
import type { EmitContext, Operation } from './operation.ts';

/** `output = input · Wᵀ` with the head, which is never pruned. Where a model's program ends. */
export interface LogitsOp {
  readonly op: 'logits';
  readonly input: string;
  readonly output: string;
  /** Slot of the head, (vocab x channels): that of the token embedding where the two are tied. */
  readonly weight: string;
}

export const logits = {
  part: 'head',
  inputs: ({ input }) => [input],
  parameters: ({ weight }) => [weight],
  width: ({ weight }, { description }) => outerTensor(description, weight).shape[0]!,
  emit({ input, output, weight }, { graph, parameter }: Pick<EmitContext, 'graph' | 'parameter'>): void {
    graph.node('Gemm', [input, parameter(weight)], { transB: 1 }, [output]);
  },
} satisfies Operation<LogitsOp>;
