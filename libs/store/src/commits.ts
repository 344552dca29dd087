import { joinKey, type ObjectStore } from '@esparse/storage';
import { blockFolder, blockOfName, BLOCKS, ZARR_JSON } from './layout.ts';

/** The object whose presence commits a group, written last. */
export function commitKey(folder: string): string {
  return joinKey(folder, ZARR_JSON);
}

/** Whether a group is committed. */
export async function isCommitted(store: ObjectStore, folder: string): Promise<boolean> {
  return (await store.size(commitKey(folder))) !== undefined;
}

/** The numbers of a run's committed blocks, ascending. */
export async function committedBlocks(store: ObjectStore, run: string): Promise<number[]> {
  const blocks: number[] = [];
  for (const name of await store.children(joinKey(run, BLOCKS))) {
    const k = blockOfName(name);
    if (k !== undefined && (await isCommitted(store, blockFolder(run, k)))) blocks.push(k);
  }
  return blocks.sort((a, b) => a - b);
}
