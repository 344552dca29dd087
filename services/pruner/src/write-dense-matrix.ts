import { isGraph, type AnyModel, type TensorSpec } from '@esparse/model';
import { writeChanged, writeDense, writeQuantizedDense } from '@esparse/model-store';
import type { Transaction } from '@esparse/store';
import type { PruneOptions } from './options.ts';
import type { RunContext } from './run-context.ts';

/** Of each kind of values. */
export const DENSE_BITS = { int8: 8, int4: 4, int3: 3 } as const satisfies Record<
  NonNullable<PruneOptions['denseValues']>,
  number
>;

/** Whether a tensor outside the blocks is one of those that `denseValues` says the type of: embedding and head. */
export function isVocabulary({ shape }: TensorSpec, model: AnyModel): boolean {
  return !isGraph(model) && shape.length === 2 && shape[0] === model.vocab;
}

/** Writes a matrix that is not pruned, as integers where the run wants that. */
export async function writeDenseMatrix(
  { checkpoint, options, emit }: Pick<RunContext, 'checkpoint' | 'options' | 'emit'>,
  transaction: Transaction,
  path: string,
  tensor: string,
  // Other values than the checkpoint's, where a block stage has changed them.
  {
    values,
    signal,
  }: { readonly values?: Float32Array | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { denseValues } = options;
  if (denseValues !== undefined) {
    const rounding = { bits: DENSE_BITS[denseValues] };
    const source = { checkpoint, tensor, values };
    const why = await writeQuantizedDense(transaction, path, source, rounding, signal);
    if (why === undefined) return;
    emit({ event: 'note', message: why });
  }
  if (values === undefined) await writeDense(transaction, path, checkpoint, tensor, signal);
  else await writeChanged(transaction, path, checkpoint, tensor, values);
}
