import { EsparseError } from '@esparse/errors';
import { joinKey, type ObjectStore } from '@esparse/storage';
import { commitKey, isCommitted } from './commits.ts';
import {
  blockOfName,
  BLOCKS,
  DENSE,
  FINISHED,
  HIDDEN,
  HIDDEN_DENSE,
  isFingerprint,
  RUNS,
  runFolder,
  ZARR_JSON,
} from './layout.ts';
import type { Store } from './store.ts';

/** Something in a store that nobody needs. */
export interface Garbage {
  readonly kind:
    /** A block, or the dense arrays, whose transaction was never committed. */
    | 'uncommitted'
    /** Boundary hidden states: a resume computes them again. */
    | 'hidden'
    /** A run that was never finished, as a whole. */
    | 'run'
    /** What a write that was cut off left: a temporary file, or an upload that was not completed. */
    | 'temporary';
  /** Its key, or that of its folder. */
  readonly object: string;
  readonly bytes: number;
}

export interface GarbageOptions {
  /**
   * Unfinished runs that go as a whole, committed blocks and all: one by its fingerprint (or its first letters), or
   * all of them. @default none
   */
  readonly runs?: { readonly fingerprint: string } | 'all-unfinished' | undefined;
  /** Finds, and removes nothing. @default false */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Removes what abandoned runs left: blocks that were not committed, hidden states, temporary files, open uploads, and the runs that
 * the options name. A finished run is never touched, what is committed only with its whole run. Runs under the lock of
 * the one writer, so never beside a run that goes on.
 *
 * @returns what was removed, or would be
 * @throws EsparseError 'locked' where another process writes; 'usage' for a finished run; 'store' for one that is not there
 */
export async function collectGarbage(store: Store, options: GarbageOptions = {}): Promise<Garbage[]> {
  const { objects } = store;
  const { dryRun = false, signal } = options;
  const lease = await objects.lock();
  try {
    const whole = await wholeRuns(store, options.runs);
    const found: Garbage[] = [];
    for (const garbage of await garbageOf(objects, whole)) {
      signal?.throwIfAborted();
      if (lease.lost !== undefined) throw lease.lost;
      if (!dryRun) await remove(objects, garbage);
      found.push(garbage);
    }
    for await (const { object, bytes } of objects.temporaries(!dryRun, RUNS)) {
      signal?.throwIfAborted();
      // Those in a folder that is removed are counted with it.
      if (!found.some((garbage) => object.startsWith(`${garbage.object}/`)))
        found.push({ kind: 'temporary', object, bytes });
    }
    return found;
  } finally {
    await lease.release();
  }
}

/** The folders of the runs that go as a whole. */
async function wholeRuns(store: Store, runs: GarbageOptions['runs']): Promise<ReadonlySet<string>> {
  if (runs === undefined) return new Set();
  const summaries = await store.runs();
  if (runs === 'all-unfinished') {
    return new Set(summaries.filter(isUnfinished).map(({ fingerprint }) => runFolder(fingerprint)));
  }
  const { fingerprint } = await store.openRun(runs.fingerprint);
  const summary = summaries.find((candidate) => candidate.fingerprint === fingerprint);
  if (summary === undefined || !isUnfinished(summary)) {
    throw new EsparseError('usage', `run ${fingerprint} is finished: only unfinished runs are removed`, {
      hint: 'to save the space of finished runs, prune the one to keep into a store of its own',
    });
  }
  return new Set([runFolder(fingerprint)]);
}

function isUnfinished({
  finished,
  current,
}: {
  readonly finished: boolean;
  readonly current: boolean;
}): boolean {
  return !finished && !current;
}

async function garbageOf(objects: ObjectStore, whole: ReadonlySet<string>): Promise<Garbage[]> {
  const found: Garbage[] = [];
  const add = async (kind: Garbage['kind'], folder: string): Promise<void> => {
    const size = await bytesBelow(objects, folder);
    if (size !== undefined) found.push({ kind, object: folder, bytes: size });
  };
  for (const name of await objects.children(RUNS)) {
    if (name === ZARR_JSON || !isFingerprint(name)) continue;
    const run = runFolder(name);
    // A removal that was cut off may have left a folder without its document: no run any more.
    const isRun = (await objects.size(joinKey(run, ZARR_JSON))) !== undefined;
    if (whole.has(run) || !isRun) {
      await add('run', run);
      continue;
    }
    if ((await objects.size(joinKey(run, FINISHED))) === undefined) {
      for (const group of await groupsOf(objects, run)) {
        if (!(await isCommitted(objects, group))) await add('uncommitted', group);
      }
    }
    for (const folder of [HIDDEN, HIDDEN_DENSE]) await add('hidden', joinKey(run, folder));
  }
  return found;
}

/** The folders of a run's blocks and of its dense arrays, committed or not. */
async function groupsOf(objects: ObjectStore, run: string): Promise<string[]> {
  const blocks = await objects.children(joinKey(run, BLOCKS));
  const names = blocks.filter((name) => blockOfName(name) !== undefined);
  return [joinKey(run, DENSE), ...names.map((name) => joinKey(run, BLOCKS, name))];
}

/** Bytes of all objects below a folder; undefined where there are none, nor folders. */
async function bytesBelow(objects: ObjectStore, folder: string): Promise<number | undefined> {
  let bytes = 0;
  for await (const key of objects.list(folder)) {
    if (!key.endsWith('/')) bytes += (await objects.size(key)) ?? 0;
  }
  return bytes > 0 || (await objects.children(folder)).length > 0 ? bytes : undefined;
}

/** A run loses its commits first: what a removal that is cut off leaves must not look committed. */
async function remove(objects: ObjectStore, { kind, object }: Garbage): Promise<void> {
  if (kind === 'run') {
    for (const group of await groupsOf(objects, object)) {
      if (!(await isCommitted(objects, group))) continue;
      await objects.delete(commitKey(group));
      await objects.sync([group]);
    }
  }
  await objects.deletePrefix(object);
}
