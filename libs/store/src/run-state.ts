import { joinKey, type ObjectStore } from '@esparse/storage';
import { commitKey, committedBlocks, isCommitted } from './commits.ts';
import { blockFolder, DENSE, FINISHED, isFingerprint, runFolder, RUNS, ZARR_JSON } from './layout.ts';

/** What of a run is there, by the names of its objects alone: none of them is read. */
export interface RunState {
  readonly fingerprint: string;
  readonly folder: string;
  /** Whether it has its own document, the first object of a run and the last that is missed. */
  readonly hasDocument: boolean;
  readonly finished: boolean;
  /** Numbers of its committed blocks, ascending. */
  readonly blocks: readonly number[];
  /** The folders of its committed groups, in the order in which a run commits them: dense arrays, then blocks. */
  readonly committed: readonly string[];
}

/** The folders in a store that could be runs; what has another name is no business of ours. */
export async function runNames(objects: ObjectStore): Promise<string[]> {
  return (await objects.children(RUNS)).filter((name) => name !== ZARR_JSON && isFingerprint(name));
}

export async function readRunState(objects: ObjectStore, fingerprint: string): Promise<RunState> {
  const folder = runFolder(fingerprint);
  const has = async (key: string) => (await objects.size(key)) !== undefined;
  const dense = joinKey(folder, DENSE);
  const blocks = await committedBlocks(objects, folder);
  return {
    fingerprint,
    folder,
    hasDocument: await has(joinKey(folder, ZARR_JSON)),
    finished: await has(joinKey(folder, FINISHED)),
    blocks,
    committed: [
      ...((await isCommitted(objects, dense)) ? [dense] : []),
      ...blocks.map((k) => blockFolder(folder, k)),
    ],
  };
}

/** Whether a folder is a run, be it a damaged one. Else it is what a removal left that was cut off, or nothing. */
export function isRun({ hasDocument, finished, committed }: RunState): boolean {
  return hasDocument || finished || committed.length > 0;
}

/** The same of a folder of this name, in one request where its document is there. */
export async function holdsRun(objects: ObjectStore, fingerprint: string): Promise<boolean> {
  const document = joinKey(runFolder(fingerprint), ZARR_JSON);
  return (await objects.size(document)) !== undefined || isRun(await readRunState(objects, fingerprint));
}

/**
 * Removes a run so that whatever is left where this is cut off is a run that can go on, or no run any more: its commits
 * from the last to the first, then its document, then the rest in any order.
 */
export async function removeRun(objects: ObjectStore, { folder, committed }: RunState): Promise<void> {
  for (const group of [...committed].reverse()) {
    await objects.delete(commitKey(group));
    // Durably, one after the other: after a power loss, too, no block may be committed behind one that is not.
    await objects.sync([group]);
  }
  await objects.delete(joinKey(folder, ZARR_JSON));
  await objects.sync([folder]);
  await objects.deletePrefix(folder);
}
