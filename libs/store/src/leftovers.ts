import { joinKey, type ObjectStore } from '@esparse/storage';
import { blockOfName, BLOCKS, DENSE, DRAFTS, HIDDEN, HIDDEN_DENSE } from './layout.ts';
import type { RunState } from './run-state.ts';

/** What a run that stays can do without. */
export interface Leftover {
  readonly kind:
    /** A block, or the dense arrays, whose transaction was never committed. */
    | 'uncommitted'
    /** Boundary hidden states: a resume computes them again. */
    | 'hidden'
    /** What a block was before it was tuned: a resume makes it again. */
    | 'draft';
  /** The key of its folder. */
  readonly object: string;
  readonly bytes: number;
}

/** What a run has in its folder without need: of one that goes on, what its writer is making. */
export async function leftoversOf(
  objects: ObjectStore,
  { folder, finished, committed }: RunState,
  signal?: AbortSignal,
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  const add = async (kind: Leftover['kind'], object: string): Promise<void> => {
    const bytes = await bytesBelow(objects, object, signal);
    if (bytes !== undefined) found.push({ kind, object, bytes });
  };
  if (!finished) {
    for (const group of await groupsOf(objects, folder)) {
      if (!committed.includes(group)) await add('uncommitted', group);
    }
  }
  for (const name of [HIDDEN, HIDDEN_DENSE]) await add('hidden', joinKey(folder, name));
  await add('draft', joinKey(folder, DRAFTS));
  return found;
}

/** The folders of a run's blocks and of its dense arrays, committed or not. */
async function groupsOf(objects: ObjectStore, run: string): Promise<string[]> {
  const blocks = await objects.children(joinKey(run, BLOCKS));
  const names = blocks.filter((name) => blockOfName(name) !== undefined);
  return [joinKey(run, DENSE), ...names.map((name) => joinKey(run, BLOCKS, name))];
}

/** Bytes of all objects below a folder; undefined where there are none, nor folders. */
export async function bytesBelow(
  objects: ObjectStore,
  folder: string,
  signal?: AbortSignal,
): Promise<number | undefined> {
  let bytes = 0;
  for await (const key of objects.list(folder)) {
    signal?.throwIfAborted();
    if (!key.endsWith('/')) bytes += (await objects.size(key)) ?? 0;
  }
  return bytes > 0 || (await objects.children(folder)).length > 0 ? bytes : undefined;
}
