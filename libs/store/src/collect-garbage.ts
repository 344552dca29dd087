import { EsparseError, isEsparseError, messageOf } from '@esparse/errors';
import { joinKey, type ObjectStore, type WriterLease } from '@esparse/storage';
import { readCurrent } from './current.ts';
import { FINISHED, RUNS, ZARR_JSON } from './layout.ts';
import { bytesBelow, leftoversOf, type Leftover } from './leftovers.ts';
import { isRun, readRunState, removeRun, runNames, type RunState } from './run-state.ts';
import { readSealedGroup } from './sealed-document.ts';
import type { Store } from './store.ts';

/** Something in a store that nobody needs. */
export interface Garbage {
  readonly kind:
    | Leftover['kind']
    /** A run that was never finished, as a whole, or what is left of one. */
    | 'run'
    /** What a write that was cut off left: a temporary file, or an upload that was not completed. */
    | 'temporary';
  /** Its key, or that of its folder. */
  readonly object: string;
  readonly bytes: number;
}

/** A run that looks damaged: it is left as it is. */
export interface DamagedRun {
  readonly run: string;
  /** What is wrong with it, and what to do, as a sentence. */
  readonly message: string;
}

/** What was found in a store. */
export interface Collected {
  /** What was removed, or would be. */
  readonly garbage: readonly Garbage[];
  /** What might be garbage and might be somebody's work. */
  readonly damaged: readonly DamagedRun[];
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

/** What is to be removed, and how. */
interface Finding {
  readonly garbage: Garbage;
  readonly remove: () => Promise<void>;
}

/**
 * Removes what abandoned runs left: blocks that were not committed, hidden states, temporary files, open uploads, and the
 * runs that the options name. Never touched is a run for which `finished.json` or `current` speaks; what is committed goes
 * only with its whole run, and only where the run's own document can be read or the options name the run itself. A folder
 * for which neither these nor a commit nor a document speaks is what a removal left that was cut off.
 *
 * Works under the lock of the one writer, so never beside a run that goes on. It may be killed at any moment: the run that
 * was being removed then can go on as before, or is garbage.
 *
 * @throws EsparseError 'locked' where another process writes; 'usage' for a finished run; 'store' for one that is not
 *   there, and where `current` is damaged: it may speak for any run
 */
export async function collectGarbage(store: Store, options: GarbageOptions = {}): Promise<Collected> {
  const { objects } = store;
  const { dryRun = false, signal } = options;
  const lease = await objects.lock();
  try {
    const { findings, damaged } = await searchRuns(store, options);
    const garbage: Garbage[] = [];
    for (const finding of findings) {
      assertHeld(lease, signal);
      if (!dryRun) await finding.remove();
      garbage.push(finding.garbage);
    }
    for await (const { object, bytes } of objects.temporaries(!dryRun, RUNS)) {
      assertHeld(lease, signal);
      // Those in a folder that is removed are counted with it.
      if (!garbage.some((other) => object.startsWith(`${other.object}/`)))
        garbage.push({ kind: 'temporary', object, bytes });
    }
    return { garbage, damaged };
  } finally {
    await lease.release();
  }
}

function assertHeld(lease: WriterLease, signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
  if (lease.lost !== undefined) throw lease.lost;
}

async function searchRuns(
  store: Store,
  { runs, signal }: GarbageOptions,
): Promise<{ findings: Finding[]; damaged: DamagedRun[] }> {
  const { objects } = store;
  const current = await readCurrent(objects);
  const named = typeof runs === 'object' ? await store.findRun(runs.fingerprint) : undefined;
  const findings: Finding[] = [];
  const damaged: DamagedRun[] = [];
  for (const fingerprint of await runNames(objects)) {
    const state = await readRunState(objects, fingerprint);
    const isCurrent = fingerprint === current;
    const isNeeded = state.finished || isCurrent;
    if (fingerprint === named && isNeeded) throw finishedError(fingerprint);
    const fault = fingerprint === named ? undefined : await faultOf(objects, state, isCurrent);
    if (fault !== undefined) {
      damaged.push({ run: fingerprint, message: fault });
    } else if (fingerprint === named || !isRun(state) || (runs === 'all-unfinished' && !isNeeded)) {
      const bytes = await bytesBelow(objects, state.folder, signal);
      if (bytes === undefined) continue;
      const garbage = { kind: 'run', object: state.folder, bytes } as const;
      findings.push({ garbage, remove: () => removeRun(objects, state) });
    } else {
      for (const garbage of await leftoversOf(objects, state, signal))
        findings.push({ garbage, remove: () => objects.deletePrefix(garbage.object) });
    }
  }
  return { findings, damaged };
}

function finishedError(fingerprint: string): EsparseError {
  return new EsparseError('usage', `run ${fingerprint} is finished: only unfinished runs are removed`, {
    hint: 'to save the space of finished runs, prune the one to keep into a store of its own',
  });
}

/** Why a run must be taken for damaged, and not for abandoned; undefined where it need not. */
async function faultOf(
  objects: ObjectStore,
  { fingerprint, folder, hasDocument, finished, committed }: RunState,
  isCurrent: boolean,
): Promise<string | undefined> {
  const document = joinKey(folder, ZARR_JSON);
  const mend = 'run the same `esparse prune` again to mend it';
  if (!hasDocument) {
    const missing = (though: string) => `${document} is missing, though ${though}; ${mend}`;
    if (finished) return missing('the run is finished');
    if (isCurrent) return missing('current names the run');
    if (committed.length === 0) return undefined;
    return `${missing('parts of the run are committed')}, or \`esparse gc --run ${fingerprint}\` to remove it`;
  }
  if (isCurrent && !finished)
    return `${joinKey(folder, FINISHED)} is missing, though current names the run; ${mend}`;
  try {
    await readSealedGroup(objects, document);
    return undefined;
  } catch (error) {
    if (!isEsparseError(error) || error.kind !== 'store') throw error;
    return `${messageOf(error)}; restore it from a copy`;
  }
}
