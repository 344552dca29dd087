import { elementCount, type WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { isExpertSlot, linearsOf, slotsOf, type ModelDescription } from '@esparse/model';
import type { ProgramGraph } from '../graph/program-graph.ts';
import type { Parameters } from './part-session.ts';
import type { DeviceValue, Value } from '../device/session.ts';

/**
 * Reads every parameter of a block but those of its experts, one after another, by slot.
 * @param place what becomes of each value, before the next one is read
 */
export async function readParameters(
  description: ModelDescription,
  block: number,
  weights: WeightSource,
  place: (value: Value) => Promise<Value | DeviceValue>,
  signal?: AbortSignal,
): Promise<Parameters> {
  if (!Number.isInteger(block) || block < 0 || block >= description.blocks) {
    throw new EsparseError('usage', `there is no block ${block}: the model has ${description.blocks}`);
  }
  const linears = linearsOf(description, block).filter(({ expert }) => expert === undefined);
  const tensors = description.blockTensors(block).filter(({ slot }) => !isExpertSlot(description, slot));
  const parameters = new Map<string, Value | DeviceValue>();
  for (const { slot, name, shape } of slotsOf(linears, tensors, block)) {
    parameters.set(slot, await place(await readTensor(weights, name, shape, signal)));
  }
  return parameters;
}

/** Reads those parameters of one expert that are wanted, by the slots that its program knows them by. */
export async function readExpertParameters(
  expert: ModelDescription,
  block: number,
  weights: WeightSource,
  wanted: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Parameters> {
  const parameters = new Map<string, Value>();
  for (const { slot, name, shape } of slotsOf(expert.linears, expert.blockTensors(block), block)) {
    if (wanted.has(slot)) parameters.set(slot, await readTensor(weights, name, shape, signal));
  }
  return parameters;
}

/** Reads the parameters of a graph outside the blocks, whose slots are the checkpoint's names of the tensors. */
export async function readParametersOf(
  { parameters }: Pick<ProgramGraph, 'parameters'>,
  weights: WeightSource,
  signal?: AbortSignal,
): Promise<Map<string, Value>> {
  const values = new Map<string, Value>();
  for (const [name, shape] of parameters) values.set(name, await readTensor(weights, name, shape, signal));
  return values;
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
  const expected = elementCount(shape);
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
