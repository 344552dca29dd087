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
import type { ReadMemory } from './read-memory.ts';
import { createUnpacker, type Unpacker } from './unpack.ts';
import { allocateMatrix, convert, type DeviceMatrix } from './values.ts';

/** Tensors that are read while another is copied to the GPU, on other threads than this one, which reads. */
const TENSORS_AHEAD = 2;

/** Where parameters go, and come from. */
export interface ParameterPlaces {
  readonly gpu: Gpu;
  readonly description: ModelDescription;
  readonly weights: WeightSource;
  /** What packed ones are read into. */
  readonly memory: ReadMemory;
}

/**
 * Reads the parameters of a block into the GPU's memory: matrices of linears in bf16, all others f32. Packed ones are unpacked there.
 *
 * @throws EsparseError 'usage' where there is no such block, 'checkpoint' where a tensor has another size, 'store' where a packed one
 *   is damaged
 */
export async function loadParameters(
  { gpu, description, weights, memory }: ParameterPlaces,
  block: number,
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
    const packed = await weights.packed?.(name, signal, memory.take);
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
        loaded.set(slot, await (unpacker ??= createUnpacker(gpu)).unpack(values));
        for (const array of [values.values, values.indices, values.permutation]) memory.give(array);
        continue;
      }
      loaded.set(slot, await place(gpu, values, rows, channels, matrices.has(slot)));
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

async function place(
  gpu: Gpu,
  values: HiddenValues,
  rows: number,
  channels: number,
  round: boolean,
): Promise<DeviceMatrix> {
  const given = allocateMatrix(gpu, rows, channels, areF32(values) ? 'f32' : 'bf16');
  try {
    await gpu.uploadLater(given.memory.address, values);
    if (!round || given.type === 'bf16') return given;
    const rounded = allocateMatrix(gpu, rows, channels, 'bf16');
    convert(gpu, given, rounded);
    gpu.release(given.memory);
    return rounded;
  } catch (error) {
    gpu.release(given.memory);
    throw error;
  }
}
