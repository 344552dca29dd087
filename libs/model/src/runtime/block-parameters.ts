import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { weightSlot, type ModelDescription } from '../description.ts';
import type { Value } from './session.ts';

/** Reads every parameter of a block, one after another, by slot. */
export async function readParameters(
  description: ModelDescription,
  block: number,
  weights: WeightSource,
  signal?: AbortSignal,
): Promise<Map<string, Value>> {
  if (!Number.isInteger(block) || block < 0 || block >= description.blocks) {
    throw new EsparseError('usage', `there is no block ${block}: the model has ${description.blocks}`);
  }
  const parameters = new Map<string, Value>();
  for (const { name, weight, rows, cols } of description.linears) {
    parameters.set(weightSlot(name), await readTensor(weights, weight(block), [rows, cols], signal));
  }
  for (const { slot, name, shape } of description.blockTensors(block)) {
    parameters.set(slot, await readTensor(weights, name, shape, signal));
  }
  return parameters;
}

/**
 * Reads a tensor and checks its size here, where the tensor has a name.
 * @throws EsparseError 'checkpoint' naming the tensor
 */
export async function readTensor(
  weights: WeightSource,
  name: string,
  shape: readonly number[],
  signal?: AbortSignal,
): Promise<Value> {
  signal?.throwIfAborted();
  return { data: requireSize(name, shape, await weights.read(name, signal)), shape };
}

/** @throws EsparseError 'checkpoint' naming the tensor where its elements are more or fewer than the shape's */
export function requireSize(name: string, shape: readonly number[], data: Float32Array): Float32Array {
  const expected = shape.reduce((product, size) => product * size, 1);
  if (data.length !== expected) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${name}' has ${data.length} elements, not ${shape.join(' x ')}`,
      {
        context: { tensor: name },
      },
    );
  }
  return data;
}
