import { mapFile, type InferenceKernels } from '@esparse/kernels';
import { storedLinears } from './stored-linears.ts';

/**
 * Bytes a second at which the weights of a dense store can be read where they lie: in the page cache, through a map of
 * their files. A process reads memory of its own faster, since it comes in larger pages.
 *
 * @returns reads all of them once, and gives the rate
 */
export async function mappedBandwidth(store: string, kernels: InferenceKernels): Promise<() => number> {
  const arrays = (await storedLinears(store)).map(({ group, dense }) => {
    const file = mapFile(group.chunkFile!(dense));
    return new Float32Array(file.buffer, file.byteOffset, Math.floor(file.byteLength / 4));
  });
  const bytes = arrays.reduce((sum, array) => sum + array.byteLength, 0);
  return () => bytes / arrays.reduce((seconds, array) => seconds + kernels.readMemory(array), 0);
}
