import { weightSlot, type BlockTensorSpec } from '@esparse/model';
import { densePath, writeChanged, writeDense } from '@esparse/model-store';
import type { Transaction } from '@esparse/store';
import type { RunContext } from './run-context.ts';
import { writeDenseMatrix } from './write-dense-matrix.ts';

/** What of a block is not pruned: norms, biases, and the matrices of linears that stay dense. */
export function blockTensors(
  { description, layers }: Pick<RunContext, 'description' | 'layers'>,
  block: number,
): readonly BlockTensorSpec[] {
  const dense = layers.dense(block).map(({ name, weight, rows, cols }) => {
    return { slot: weightSlot(name), name: weight(block), shape: [rows, cols] };
  });
  return [...description.blockTensors(block), ...dense];
}

/** Writes it, as the checkpoint has it or, where a block stage has changed it, as it is now. */
export async function writeBlockTensors(
  context: Pick<RunContext, 'description' | 'layers' | 'checkpoint' | 'options' | 'emit'>,
  transaction: Transaction,
  block: number,
  changed: ReadonlyMap<string, Float32Array>,
  signal?: AbortSignal,
): Promise<void> {
  const { checkpoint } = context;
  const linears = new Set(context.layers.dense(block).map(({ name }) => weightSlot(name)));
  for (const { slot, name } of blockTensors(context, block)) {
    const values = changed.get(slot);
    if (linears.has(slot))
      await writeDenseMatrix(context, transaction, densePath(name), name, { values, signal });
    else if (values === undefined) await writeDense(transaction, densePath(name), checkpoint, name, signal);
    else await writeChanged(transaction, densePath(name), checkpoint, name, values);
  }
}
