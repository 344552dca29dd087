import { EsparseError } from '@esparse/errors';
import { activation } from './activation.ts';
import { add } from './add.ts';
import { attention } from './attention.ts';
import { clampedSwiglu } from './clamped-swiglu.ts';
import { embedding, type EmbeddingOp } from './embedding.ts';
import { experts } from './experts.ts';
import { gatedActivation } from './gated-activation.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import { logits, type LogitsOp } from './logits.ts';
import type { Operation } from './operation.ts';
import { rmsNorm } from './rms-norm.ts';
import { rope } from './rope.ts';
import { router } from './router.ts';
import { scale } from './scale.ts';

/** Every operation, by the name that programs know it by: a new one is a file beside this and its line here. */
export const OPERATIONS = {
  embedding,
  rmsNorm,
  layerNorm,
  linear,
  rope,
  attention,
  activation,
  gatedActivation,
  clampedSwiglu,
  router,
  experts,
  add,
  scale,
  logits,
};

/** The name of an operation in a program. */
export type OperationName = keyof typeof OPERATIONS;

/** The form in which a program writes the operation of this name. */
export type OpNamed<Name extends OperationName> = Parameters<(typeof OPERATIONS)[Name]['emit']>[0];

/** An operation as a program writes it. */
export type ProgramOp = { [Name in OperationName]: OpNamed<Name> }[OperationName];

/** Those that a block may have: all but the two at the ends of a model. */
export type BlockOp = Exclude<ProgramOp, EmbeddingOp | LogitsOp>;

/**
 * What is said of a program's operation.
 * @throws EsparseError 'usage' for a name that is none, as a family in plain JavaScript may give
 */
export function operationOf(op: ProgramOp): Operation<ProgramOp> {
  if (!Object.hasOwn(OPERATIONS, op.op)) {
    throw new EsparseError('usage', `a program has no operation '${op.op}'`, {
      hint: `the operations are ${Object.keys(OPERATIONS).join(', ')}`,
    });
  }
  // An operation is found by its own name; the compiler cannot follow that through the table.
  return OPERATIONS[op.op] as unknown as Operation<ProgramOp>;
}
