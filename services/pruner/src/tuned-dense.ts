import type { LinearSpec } from '@esparse/model';
import { integersFit } from '@esparse/model-store';
import type { Layers } from './layers.ts';
import type { PruneOptions } from './options.ts';
import type { RunContext } from './run-context.ts';
import { DENSE_BITS } from './write-dense-matrix.ts';

/** Whether a run with block stages takes a block to them for its linears that stay dense: where these become integers. */
export function tunesDense(
  {
    options: { denseValues },
    layers,
  }: { readonly options: Pick<PruneOptions, 'denseValues'>; readonly layers: Layers },
  block: number,
): boolean {
  return denseValues !== undefined && layers.dense(block).length > 0;
}

/** The linears of a block that are not pruned, and tuned as the integers that they become: those whose weights integers fit. */
export async function tunedDense(
  { checkpoint, layers, options: { denseValues } }: Pick<RunContext, 'checkpoint' | 'layers' | 'options'>,
  block: number,
  signal?: AbortSignal,
): Promise<readonly LinearSpec[]> {
  if (denseValues === undefined) return [];
  const fitting: LinearSpec[] = [];
  for (const linear of layers.dense(block)) {
    const matrix = { checkpoint, tensor: linear.weight(block) };
    if (await integersFit(matrix, { bits: DENSE_BITS[denseValues] }, signal)) fitting.push(linear);
  }
  return fitting;
}
