import type { GatedActivationOp } from '@esparse/model';
import type { EmitContext } from './context.ts';

/** silu(x) = x · sigmoid(x). */
export function emitGatedActivation(op: GatedActivationOp, { graph }: Pick<EmitContext, 'graph'>): void {
  const activated = graph.node('Mul', [op.gate, graph.node('Sigmoid', [op.gate])]);
  graph.node('Mul', [activated, op.up], {}, [op.output]);
}
