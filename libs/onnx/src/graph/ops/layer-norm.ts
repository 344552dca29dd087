import type { LayerNormOp } from '@esparse/model';
import type { EmitContext } from './context.ts';

/** The standard operator (since opset 17), which every provider runs as one kernel. */
export function emitLayerNorm(
  { input, output, weight, bias, epsilon }: LayerNormOp,
  { graph, parameter }: Pick<EmitContext, 'graph' | 'parameter'>,
): void {
  const inputs = [input, parameter(weight), parameter(bias)];
  graph.node('LayerNormalization', inputs, { axis: -1, epsilon: { float: epsilon } }, [output]);
}
