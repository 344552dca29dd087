import type { RopeSpec } from '../rope/spec.ts';
import type { EmitContext, Operation } from './operation.ts';

/**
 * Rotary position embedding (arXiv 2104.09864), half-split as in Hugging Face: of each head the first `spec.channels`
 * are rotated, channel j of the first half with channel j of the second. Those behind them stay as they are.
 */
export interface RopeOp {
  readonly op: 'rope';
  readonly input: string;
  readonly output: string;
  readonly heads: number;
  readonly headDim: number;
  /** The angles. Operations that turn alike share the object, so that their tables are made once. */
  readonly spec: RopeSpec;
}

export const rope = {
  part: 'block',
  inputs: ({ input }) => [input],
  width: ({ input }, { widthOf }) => widthOf(input),
  emit(op, context): void {
    turned(op, op.input, 'forward', context, op.output);
  },
  /** A rotation's gradient is the rotation back, by the same tables. */
  gradient: (op, output, context) => ({ inputs: [turned(op, output, 'back', context)] }),
} satisfies Operation<RopeOp>;

/**
 * (a, b) becomes (a cos - b sin, b cos + a sin), where a and b are the halves of what is rotated of each head; turned back,
 * (a cos + b sin, b cos - a sin).
 */
function turned(
  { heads, headDim, spec }: RopeOp,
  value: string,
  way: 'forward' | 'back',
  { graph, rows, rope }: EmitContext,
  output?: string,
): string {
  const { cos, sin } = rope(spec);
  const half = spec.channels / 2;
  const part = (begin: number, end: number) =>
    graph.node('Slice', [byHead, graph.integers([begin]), graph.integers([end]), graph.integers([2])]);
  const turn = (x: string, y: string, combine: 'Add' | 'Sub') =>
    graph.node(combine, [graph.node('Mul', [x, cos]), graph.node('Mul', [y, sin])]);
  const byHead = graph.reshape(value, [rows, heads, headDim]);
  const [a, b] = [part(0, half), part(half, 2 * half)];
  const halves =
    way === 'forward' ? [turn(a, b, 'Sub'), turn(b, a, 'Add')] : [turn(a, b, 'Add'), turn(b, a, 'Sub')];
  const still = 2 * half < headDim ? [part(2 * half, headDim)] : [];
  const joined = graph.node('Concat', [...halves, ...still], { axis: 2 });
  return graph.reshape(joined, [rows, heads * headDim], output);
}
