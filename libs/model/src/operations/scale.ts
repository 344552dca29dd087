import type { Operation } from './operation.ts';

/** `output = factor · input`, element by element. */
export interface ScaleOp {
  readonly op: 'scale';
  readonly input: string;
  readonly output: string;
  /** Rounded to f32. */
  readonly factor: number;
}

export const scale = {
  inputs: ({ input }) => [input],
  width: ({ input }, { widthOf }) => widthOf(input),
  elementwise: true,
  emit({ input, output, factor }, { graph }): void {
    graph.node('Mul', [input, graph.constant(factor)], {}, [output]);
  },
  gradient: ({ factor }, output, { graph }) => ({
    inputs: [graph.node('Mul', [output, graph.constant(factor)])],
  }),
} satisfies Operation<ScaleOp>;
