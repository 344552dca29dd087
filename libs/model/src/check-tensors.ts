import { EsparseError } from '@esparse/errors';
import { linearsOf } from './block-parts.ts';
import type { ModelDescription, TensorSpec } from './description.ts';

/** What is known of a stored tensor before it is read. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** The tensors of one block: the linears' matrices, then everything that stays dense. */
export function tensorsOfBlock(description: ModelDescription, block: number): TensorSpec[] {
  return [
    ...linearsOf(description, block).map(({ weight, rows, cols }) => ({
      name: weight(block),
      shape: [rows, cols],
    })),
    ...description.blockTensors(block),
  ];
}

/**
 * Checks that a checkpoint holds every tensor of the model in the shape that config.json implies, before any work.
 * Tensors beyond those are left alone (old checkpoints carry rotary tables).
 * @throws EsparseError 'checkpoint' naming the tensor, what was expected and what was found
 */
export function checkTensors(
  description: ModelDescription,
  tensors: ReadonlyMap<string, StoredTensor>,
): void {
  for (const tensor of description.outerTensors) check(tensor, tensors);
  for (let block = 0; block < description.blocks; block++) {
    for (const tensor of tensorsOfBlock(description, block)) check(tensor, tensors);
  }
}

function check(expected: TensorSpec, tensors: ReadonlyMap<string, StoredTensor>): void {
  const { name } = expected;
  const shape = expected.shape.join(' x ');
  const found = tensors.get(name);
  if (found === undefined) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${name}' (${shape} by config.json) is missing from the checkpoint`,
      {
        hint: 'config.json and the safetensors files must be of the same model, in BF16, F16 or F32',
        context: { tensor: name },
      },
    );
  }
  if (
    found.shape.length !== expected.shape.length ||
    found.shape.some((size, i) => size !== expected.shape[i])
  ) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${name}' is ${found.shape.join(' x ') || 'a scalar'} ${found.dtype}, but config.json implies ${shape}`,
      {
        hint: 'config.json and the safetensors files must be of the same model',
        context: { tensor: name },
      },
    );
  }
}
