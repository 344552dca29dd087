import type { NormOp } from '@esparse/model';
import type { EmitContext } from './context.ts';
import { emitLayerNorm } from './layer-norm.ts';
import { emitRmsNorm } from './rms-norm.ts';

/** Adds the nodes of either norm: before a block's linears, or before the head. */
export function emitNorm(op: NormOp, context: Pick<EmitContext, 'graph' | 'parameter'>): void {
  if (op.op === 'rmsNorm') emitRmsNorm(op, context);
  else emitLayerNorm(op, context);
}
