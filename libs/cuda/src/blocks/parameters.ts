import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import {
  areF32,
  linearsOf,
  slotsOf,
  weightSlot,
  type HiddenValues,
  type ModelDescription,
} from '@esparse/model';
import type { Gpu } from '../arithmetic.ts';
import { allocateMatrix, convert, type DeviceMatrix } from './values.ts';

/**
 * Reads the parameters of a block, one after another, into the GPU's memory: matrices of linears in bf16, all others f32.
 *
 * @throws EsparseError 'usage' where there is no such block, 'checkpoint' where a tensor has another size
 */
export async function loadParameters(
  gpu: Gpu,
  description: ModelDescription,
  block: number,
  weights: WeightSource,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, DeviceMatrix>> {
  if (!Number.isInteger(block) || block < 0 || block >= description.blocks) {
    throw new EsparseError('usage', `there is no block ${block}: the model has ${description.blocks}`);
  }
  const linears = linearsOf(description, block);
  const matrices = new Set(linears.map(({ name }) => weightSlot(name)));
  const loaded = new Map<string, DeviceMatrix>();
  try {
    for (const { slot, name, shape } of slotsOf(linears, description.blockTensors(block), block)) {
      signal?.throwIfAborted();
      const isMatrix = matrices.has(slot);
      const bits = isMatrix ? await weights.bits?.(name, signal) : undefined;
      const values = bits ?? (await weights.read(name, signal));
      const [rows, channels] = shape.length === 2 ? (shape as [number, number]) : [1, shape[0] ?? 1];
      if (values.length !== rows * channels) {
        throw new EsparseError(
          'checkpoint',
          `tensor '${name}' has ${values.length} elements, not ${shape.join(' x ')}`,
          { context: { tensor: name } },
        );
      }
      loaded.set(slot, place(gpu, values, rows, channels, isMatrix));
      if (bits !== undefined) free(bits);
    }
  } catch (error) {
    releaseParameters(gpu, loaded);
    throw error;
  }
  return loaded;
}

export function releaseParameters(gpu: Gpu, parameters: ReadonlyMap<string, DeviceMatrix>): void {
  for (const { memory } of parameters.values()) gpu.release(memory);
}

function place(gpu: Gpu, values: HiddenValues, rows: number, channels: number, round: boolean): DeviceMatrix {
  if (!areF32(values)) {
    const matrix = allocateMatrix(gpu, rows, channels, 'bf16');
    gpu.upload(matrix.memory.address, values);
    return matrix;
  }
  const exact = allocateMatrix(gpu, rows, channels, 'f32');
  gpu.upload(exact.memory.address, values);
  if (!round) return exact;
  const rounded = allocateMatrix(gpu, rows, channels, 'bf16');
  convert(gpu, exact, rounded);
  gpu.release(exact.memory);
  return rounded;
}
