import type { DeviceArgument, DeviceMemory } from '@esparse/statistics';
import type { Gpu } from '../arithmetic.ts';

/** Types of elements on the GPU; `TYPES` has the numbers that kernels know them by. */
export type ElementType = 'f32' | 'bf16';

/** As `Type` in `kernels/block/gpu.cuh`. */
const TYPES = { f32: 0, bf16: 1 } as const;

/** A matrix in a GPU's memory, (rows x channels), row-major. */
export interface DeviceMatrix {
  readonly memory: DeviceMemory;
  readonly rows: number;
  readonly channels: number;
  readonly type: ElementType;
}

export function bytesOf(type: ElementType): number {
  return type === 'f32' ? 4 : 2;
}

export function allocateMatrix(gpu: Gpu, rows: number, channels: number, type: ElementType): DeviceMatrix {
  return { memory: gpu.allocate(bytesOf(type) * rows * channels), rows, channels, type };
}

export const pointer = (address: number): DeviceArgument => ({ pointer: address });
export const int = (value: number): DeviceArgument => ({ int: value });
export const float = (value: number): DeviceArgument => ({ float: value });

/** A matrix as two arguments: its address and its type. */
export function typed({ memory, type }: DeviceMatrix): DeviceArgument[] {
  return [pointer(memory.address), int(TYPES[type])];
}

/** Threads of a block that makes eight elements each. */
const THREADS = 256;

/** Launches a kernel whose threads make eight elements each of so many; that number is its last argument. */
export function launchElements(
  gpu: Gpu,
  kernel: string,
  { rows, channels }: DeviceMatrix,
  args: readonly DeviceArgument[],
): void {
  const eights = Math.ceil((rows * channels) / 8);
  const grid = [Math.ceil(eights / THREADS)] as const;
  gpu.launch(kernel, { grid, threads: THREADS }, [...args, { long: eights }]);
}

/** The same elements in another type. */
export function convert(gpu: Gpu, from: DeviceMatrix, to: DeviceMatrix): void {
  launchElements(gpu, 'scale_elements', from, [...typed(from), ...typed(to), float(1)]);
}

/** The threads for a row of so many channels: whole warps. */
export function threadsOfRow(channels: number): number {
  return Math.min(256, Math.ceil(channels / 32) * 32);
}
