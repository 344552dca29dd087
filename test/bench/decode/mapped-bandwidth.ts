import { mapFile, readMemory } from '@esparse/kernels';
import { describeModel } from '@esparse/model';
import { densePath, readRunAttributes } from '@esparse/model-store';
import { openStore } from '@esparse/store';

/**
 * Bytes a second at which the weights of a dense store can be read where they lie: in the page cache, through a map of
 * their files. A process reads memory of its own faster, since it comes in larger pages.
 *
 * @returns reads all of them once, and gives the rate
 */
export async function mappedBandwidth(store: string): Promise<() => number> {
  const run = await (await openStore(store)).openRun();
  const description = describeModel(readRunAttributes(run.attributes).config);
  const arrays: Float32Array[] = [];
  for (let block = 0; block < description.blocks; block++) {
    const group = await run.block(block);
    for (const linear of description.linears) {
      const file = mapFile(group.chunkFile!(densePath(linear.weight(block))));
      arrays.push(new Float32Array(file.buffer, file.byteOffset, Math.floor(file.byteLength / 4)));
    }
  }
  const bytes = arrays.reduce((sum, array) => sum + array.byteLength, 0);
  return () => bytes / arrays.reduce((seconds, array) => seconds + readMemory(array), 0);
}
