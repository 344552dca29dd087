import type { Operation } from './operation.ts';

/** `output = left + right`, element by element. */
export interface AddOp {
  readonly op: 'add';
  readonly left: string;
  readonly right: string;
  readonly output: string;
}

export const add = {
  inputs: ({ left, right }) => [left, right],
  width: ({ left }, { widthOf }) => widthOf(left),
  elementwise: true,
  emit({ left, right, output }, { graph }): void {
    graph.node('Add', [left, right], {}, [output]);
  },
  gradient: (_, output) => ({ inputs: [output, output] }),
} satisfies Operation<AddOp>;
