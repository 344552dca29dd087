import type { Operation } from './operation.ts';

/**
 * Rotary position embedding (arXiv 2104.09864), half-split as in Hugging Face: within each head of `headDim`
 * channels, channel j < headDim / 2 is paired with channel j + headDim / 2. Angles come from the description's `rope`.
 */
export interface RopeOp {
  readonly op: 'rope';
  readonly input: string;
  readonly output: string;
  readonly heads: number;
  readonly headDim: number;
}

export const rope = {
  part: 'block',
  inputs: ({ input }) => [input],
  width: ({ input }, { widthOf }) => widthOf(input),
  /** (a, b) becomes (a cos - b sin, b cos + a sin), where a and b are the halves of each head. */
  emit({ input, output, heads, headDim }, { graph, rows, rope }): void {
    const { cos, sin } = rope();
    const split = graph.reshape(input, [rows, heads, 2, headDim / 2]);
    const a = `${output}_a`;
    const b = `${output}_b`;
    graph.node('Split', [split], { axis: 2, num_outputs: 2 }, [a, b]);
    const turn = (x: string, y: string, combine: 'Add' | 'Sub') =>
      graph.node(combine, [graph.node('Mul', [x, cos]), graph.node('Mul', [y, sin])]);
    const turned = graph.node('Concat', [turn(a, b, 'Sub'), turn(b, a, 'Add')], { axis: 2 });
    graph.reshape(turned, [rows, heads * headDim], output);
  },
} satisfies Operation<RopeOp>;
