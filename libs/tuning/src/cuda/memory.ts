import type { CudaArithmetic, DeviceMemory } from '@esparse/cuda';

/** Gives so many bytes of the device: their address. */
export type TakeMemory = (bytes: number) => number;

/** Memory of the device that goes back all at once. */
export function createMemory(gpu: CudaArithmetic) {
  const held: DeviceMemory[] = [];
  const take: TakeMemory = (bytes) => {
    const piece = gpu.allocate(bytes);
    held.push(piece);
    return piece.address;
  };
  return {
    take,
    release() {
      for (const piece of held.splice(0)) gpu.release(piece);
      gpu.trim();
    },
  };
}

export type Memory = ReturnType<typeof createMemory>;

/** Counts what would be taken. */
export function countMemory(use: (take: TakeMemory) => void): number {
  let bytes = 0;
  use((asked) => {
    bytes += asked;
    return 0;
  });
  return bytes;
}
