import type { InferenceKernels } from './inference-kernels.ts';

/** The readable version of `InferenceKernels.readMemory`. */
export function readMemoryReference(array: Float32Array): number {
  const began = performance.now();
  let sum = 0;
  for (let i = 0; i < array.length; i++) sum += array[i]!;
  return (performance.now() - began) / (sum === 0 ? NaN : 1000);
}

/**
 * Bytes a second that all threads of the kernels together read from memory: the best of some passes over an array much
 * larger than the caches.
 *
 * @param bytes of the array. @default 512 MiB
 * @param passes @default 5
 */
export function readBandwidth(
  { readMemory }: InferenceKernels,
  bytes = 512 * 1024 * 1024,
  passes = 5,
): number {
  // Written to, as the system gives memory that was never written as one page of zeros.
  const array = new Float32Array(bytes / 4).fill(1);
  return bytes / Math.min(...Array.from({ length: passes }, () => readMemory(array)));
}
