import type { PackedMatrix } from '@esparse/checkpoint';
import { packedLayout, TILE_ROWS } from '@esparse/kernels';
import type { DeviceMemory } from '@esparse/statistics';
import type { Gpu } from '../arithmetic.ts';
import { allocateMatrix, type DeviceMatrix } from './values.ts';

const THREADS = 256;

/** Makes dense matrices of packed ones in a GPU's memory, as `unpack` of @esparse/kernels does. */
export interface Unpacker {
  /** The matrix, in bf16, in the original order of its channels; its arrays are not read any more then. */
  unpack(packed: PackedMatrix): Promise<DeviceMatrix>;
  /** Waits. @returns whether all of them were what `pack` writes */
  allSound(): boolean;
  release(): void;
}

export function createUnpacker(gpu: Gpu): Unpacker {
  const flag = gpu.allocate(4);
  const wrong = new Int32Array(1);
  gpu.upload(flag.address, wrong);
  return {
    async unpack({ rows, cols, keep, group, values, indices, permutation }) {
      const { bits, groups, tiles } = packedLayout(rows, cols, keep, group);
      const held: DeviceMemory[] = [];
      const placed = async (array: ArrayBufferView) => {
        const memory = gpu.allocate(array.byteLength);
        held.push(memory);
        await gpu.uploadLater(memory.address, array);
        return { pointer: memory.address };
      };
      try {
        const placing = [values, indices, permutation].map(placed);
        // Until then the memory is in use.
        await Promise.allSettled(placing);
        const parts = await Promise.all(placing);
        const dense = allocateMatrix(gpu, rows, cols, 'bf16');
        const { address: pointer } = dense.memory;
        gpu.fill(pointer, 0, 2 * rows * cols);
        gpu.launch(
          'unpack_matrix',
          { grid: [Math.ceil((TILE_ROWS * groups) / THREADS), tiles], threads: THREADS },
          [
            ...[...parts, { pointer }, { int: rows }, { int: cols }],
            ...[{ int: keep }, { int: group }, { int: bits }, { pointer: flag.address }],
          ],
        );
        return dense;
      } finally {
        for (const memory of held) gpu.release(memory);
      }
    },
    allSound() {
      gpu.download(flag.address, wrong);
      return wrong[0] === 0;
    },
    release() {
      gpu.release(flag);
    },
  };
}
