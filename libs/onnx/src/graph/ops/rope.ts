import type { RopeOp } from '@esparse/model';
import type { EmitContext } from './context.ts';

/** (a, b) becomes (a cos - b sin, b cos + a sin), where a and b are the halves of each head. */
export function emitRope(
  { input, output, heads, headDim }: RopeOp,
  { graph, rows, rope }: EmitContext,
): void {
  const { cos, sin } = rope();
  const split = graph.reshape(input, [rows, heads, 2, headDim / 2]);
  const a = `${output}_a`;
  const b = `${output}_b`;
  graph.node('Split', [split], { axis: 2, num_outputs: 2 }, [a, b]);
  const turn = (x: string, y: string, combine: 'Add' | 'Sub') =>
    graph.node(combine, [graph.node('Mul', [x, cos]), graph.node('Mul', [y, sin])]);
  const turned = graph.node('Concat', [turn(a, b, 'Sub'), turn(b, a, 'Add')], { axis: 2 });
  graph.reshape(turned, [rows, heads * headDim], output);
}
