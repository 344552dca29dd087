import { addon } from '../addon.ts';
import { computeInstructionSet } from './instruction-set.ts';

/**
 * Bytes a second that all compute threads together read from memory: the best of some passes over an array much larger
 * than the caches. What a product that reads its weights once is measured against.
 *
 * @param bytes of the array. @default 512 MiB
 * @param passes @default 5
 */
export function readBandwidth(bytes = 512 * 1024 * 1024, passes = 5): number {
  // Written to, as the system gives memory that was never written as one page of zeros.
  const array = new Float32Array(bytes / 4).fill(1);
  const native = addon();
  const read =
    native === null ? readReference : (it: Float32Array) => native.readMemory(computeInstructionSet(), it);
  const seconds = Array.from({ length: passes }, () => read(array));
  return bytes / Math.min(...seconds);
}

function readReference(array: Float32Array): number {
  const began = performance.now();
  let sum = 0;
  for (let i = 0; i < array.length; i++) sum += array[i]!;
  return (performance.now() - began) / (sum === 0 ? NaN : 1000);
}
