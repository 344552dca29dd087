import type { PackedMatrix, WeightSource } from '@esparse/checkpoint';
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
import { createUnpacker, type Unpacker } from './unpack.ts';
import { allocateMatrix, convert, type DeviceMatrix } from './values.ts';

/** Tensors that are read while another is copied to the GPU. */
const TENSORS_AHEAD = 2;

/**
 * Reads the parameters of a block into the GPU's memory: matrices of linears in bf16, all others f32. Packed ones are unpacked there.
 *
 * @throws EsparseError 'usage' where there is no such block, 'checkpoint' where a tensor has another size, 'store' where a packed one
 *   is damaged
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
  const slots = slotsOf(linears, description.blockTensors(block), block);
  const read = async ({ slot, name }: (typeof slots)[number]): Promise<HiddenValues | PackedMatrix> => {
    if (!matrices.has(slot)) return weights.read(name, signal);
    const packed = await weights.packed?.(name, signal);
    return packed ?? (await weights.bits?.(name, signal)) ?? weights.read(name, signal);
  };
  const reading: ReturnType<typeof read>[] = [];
  let unpacker: Unpacker | undefined;
  try {
    for (const [i, { slot, name, shape }] of slots.entries()) {
      signal?.throwIfAborted();
      for (const next of slots.slice(i + reading.length, i + 1 + TENSORS_AHEAD)) {
        const values = read(next);
        values.catch(() => undefined); // awaited in its turn
        reading.push(values);
      }
      const values = await reading.shift()!;
      const [rows, channels] = shape.length === 2 ? (shape as [number, number]) : [1, shape[0] ?? 1];
      if (lengthOf(values) !== rows * channels) {
        throw new EsparseError(
          'checkpoint',
          `tensor '${name}' has ${lengthOf(values)} elements, not ${shape.join(' x ')}`,
          { context: { tensor: name } },
        );
      }
      if (isPacked(values)) {
        loaded.set(slot, (unpacker ??= createUnpacker(gpu)).unpack(values));
        free(values.values);
        free(values.indices);
        continue;
      }
      loaded.set(slot, place(gpu, values, rows, channels, matrices.has(slot)));
      if (!areF32(values)) free(values);
    }
    if (unpacker?.allSound() === false) {
      throw new EsparseError('store', `packed weights of block ${block} are damaged`, {
        hint: 'an index is not an N:M choice in ascending order, or padding is not zero; verify the store',
      });
    }
  } catch (error) {
    await Promise.allSettled(reading);
    releaseParameters(gpu, loaded);
    throw error;
  } finally {
    unpacker?.release();
  }
  return loaded;
}

function isPacked(values: HiddenValues | PackedMatrix): values is PackedMatrix {
  return 'indices' in values;
}

function lengthOf(values: HiddenValues | PackedMatrix): number {
  return isPacked(values) ? values.rows * values.cols : values.length;
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
  if (!round) {
    const exact = allocateMatrix(gpu, rows, channels, 'f32');
    gpu.upload(exact.memory.address, values);
    return exact;
  }
  const rounded = allocateMatrix(gpu, rows, channels, 'bf16');
  try {
    const exact = allocateMatrix(gpu, rows, channels, 'f32');
    gpu.upload(exact.memory.address, values);
    convert(gpu, exact, rounded);
    gpu.release(exact.memory);
    return rounded;
  } catch (error) {
    // There was no room for both.
    gpu.release(rounded.memory);
    throw error;
  }
}
