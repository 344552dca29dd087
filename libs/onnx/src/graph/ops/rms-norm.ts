import type { RmsNormOp } from '@esparse/model';
import type { EmitContext } from './context.ts';

/**
 * The chain that ONNX Runtime recognises and runs as one kernel (SimplifiedLayerNormalization), written in standard
 * operators so that every provider runs it.
 */
export function emitRmsNorm(
  op: RmsNormOp,
  { graph, parameter }: Pick<EmitContext, 'graph' | 'parameter'>,
): void {
  const squares = graph.node('Pow', [op.input, graph.constant(2)]);
  const mean = graph.node('ReduceMean', [squares, graph.integers([-1])], { keepdims: 1 });
  const root = graph.node('Sqrt', [graph.node('Add', [mean, graph.constant(op.epsilon)])]);
  const normal = graph.node('Div', [op.input, root]);
  graph.node('Mul', [normal, parameter(op.weight)], {}, [op.output]);
}
