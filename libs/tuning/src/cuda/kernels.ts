import type { CudaArithmetic, DeviceArgument } from '@esparse/cuda';
import type { Sum, Tensor } from './tensor.ts';

/** Threads of a block, and how many rows one has: see `kernels/tune/values.cuh`. */
const THREADS = 256;
const ROWS = 8;

/**
 * An argument of a kernel. A number or a truth value is a whole number; a tensor is its address and its type, and where it is a sum
 * whether that goes on from what is there.
 */
type Given = DeviceArgument | Tensor | Sum | number | boolean;

/** Launches of kernels of `kernels/tune.cu`, by how they take their work. */
export interface Kernels {
  /** A thread has one of so many elements. */
  elements(kernel: string, count: number, given: readonly Given[]): void;
  /** A warp has one of so many rows. */
  rows(kernel: string, count: number, given: readonly Given[]): void;
  /** A thread has an element of each of so many parts. */
  parts(kernel: string, count: number, parts: number, given: readonly Given[]): void;
  /** A block has one of so many rows. */
  blocks(kernel: string, count: number, given: readonly Given[]): void;
  /** All is done by one block. */
  once(kernel: string, given: readonly Given[]): void;
}

export function createKernels(gpu: CudaArithmetic): Kernels {
  const launch = (kernel: string, x: number, y: number, given: readonly Given[]) => {
    gpu.launch(`tune_${kernel}`, { grid: [x, y], threads: THREADS }, given.flatMap(argumentsOf));
  };
  return {
    elements: (kernel, count, given) => {
      launch(kernel, Math.ceil(count / THREADS), 1, given);
    },
    rows: (kernel, count, given) => {
      launch(kernel, Math.ceil(count / ROWS), 1, given);
    },
    parts: (kernel, count, parts, given) => {
      launch(kernel, Math.ceil(count / THREADS), parts, given);
    },
    blocks: (kernel, count, given) => {
      launch(kernel, count, 1, given);
    },
    once: (kernel, given) => {
      launch(kernel, 1, 1, given);
    },
  };
}

function argumentsOf(given: Given): readonly DeviceArgument[] {
  if (typeof given !== 'object') return [{ int: Number(given) }];
  if (!('address' in given)) return [given];
  const tensor = [{ pointer: given.address }, { int: given.type === 'bf16' ? 1 : 0 }];
  return 'accumulate' in given ? [...tensor, { int: Number(given.accumulate) }] : tensor;
}
