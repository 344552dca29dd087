import type { Activation, BlockOp } from '@esparse/model';
import { emitAttention } from './attention.ts';
import type { EmitContext } from './context.ts';
import { emitGatedActivation } from './gated-activation.ts';
import { emitLinear } from './linear.ts';
import { emitNorm } from './norm.ts';
import { emitRope } from './rope.ts';

/** The standard operator of each activation. */
const OPERATORS: Record<Activation, string> = { relu: 'Relu' };

/** Adds the nodes of one operation to the graph. */
export function emit(op: BlockOp, context: EmitContext): void {
  switch (op.op) {
    case 'rmsNorm':
    case 'layerNorm':
      emitNorm(op, context);
      break;
    case 'linear':
      emitLinear(op, context);
      break;
    case 'rope':
      emitRope(op, context);
      break;
    case 'attention':
      emitAttention(op, context);
      break;
    case 'activation':
      context.graph.node(OPERATORS[op.activation], [op.input], {}, [op.output]);
      break;
    case 'gatedActivation':
      emitGatedActivation(op, context);
      break;
    case 'add':
      context.graph.node('Add', [op.left, op.right], {}, [op.output]);
      break;
  }
}
