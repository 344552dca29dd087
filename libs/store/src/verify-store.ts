import { isEsparseError, messageOf } from '@esparse/errors';
import type { ObjectStore } from '@esparse/storage';
import { readCurrent, readCurrentIfSound } from './current.ts';
import { CURRENT } from './layout.ts';
import { holdsRun, isRun, readRunState, runNames } from './run-state.ts';
import type { Store } from './store.ts';
import { verifyRun, type Damage } from './verify.ts';

/** One thing that is wrong with a store. */
export interface StoreDamage extends Damage {
  /** The run that it is of; absent where it is of the store. */
  readonly run?: string;
}

export interface VerifyStoreOptions {
  /** Only this run, by its fingerprint or its first letters. @default every run, and which one is current */
  readonly run?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a verification has seen. */
export interface StoreVerification {
  /** The fingerprints of the runs that were verified. */
  readonly runs: readonly string[];
  /** How many objects were compared with a manifest. */
  readonly objects: number;
  /** What is wrong; empty for a sound store. */
  readonly damages: readonly StoreDamage[];
}

/**
 * Verifies every run of a store, and that `current` names one of them as soon as one has finished. May go on beside a
 * writer: what is in the making is no damage.
 *
 * @throws EsparseError 'store' where the run that is named is not there
 */
export async function verifyStore(
  store: Store,
  { run, signal }: VerifyStoreOptions = {},
): Promise<StoreVerification> {
  const { objects } = store;
  const damages: StoreDamage[] = [];
  // An object that all runs share, such as `current`, is damaged once.
  const add = (damage: StoreDamage): void => {
    if (!damages.some(({ object }) => object === damage.object)) damages.push(damage);
  };
  const { runs, finished, leftovers } =
    run === undefined
      ? await searchRuns(objects)
      : { runs: [await store.findRun(run)], finished: [], leftovers: [] };
  let compared = 0;
  for (const fingerprint of runs) {
    let ofRun = 0;
    const found = await verifyRun(
      objects,
      fingerprint,
      (progress) => (ofRun = progress.totalObjects),
      signal,
    );
    for (const damage of found) add({ run: fingerprint, ...damage });
    compared += ofRun;
  }
  for (const folder of leftovers) add(leftoverIn(folder));
  // Last, when a run that was just finished has long been made current.
  if (run === undefined) (await faultsOfCurrent(objects, finished)).forEach(add);
  return { runs, objects: compared, damages };
}

async function searchRuns(objects: ObjectStore) {
  const [runs, finished, leftovers]: [string[], string[], string[]] = [[], [], []];
  const current = await readCurrentIfSound(objects);
  for (const name of await runNames(objects)) {
    const state = await readRunState(objects, name);
    if (isRun(state)) runs.push(name);
    else if (name !== current && (await objects.children(state.folder)).length > 0)
      leftovers.push(state.folder);
    if (state.finished) finished.push(name);
  }
  return { runs, finished, leftovers };
}

function leftoverIn(folder: string): StoreDamage {
  return {
    severity: 'warning',
    problem: 'unlisted',
    object: folder,
    message: `${folder} is no run: left by a removal that was cut off; \`esparse gc\` removes it`,
  };
}

/** What is wrong with the object that says which run is served. @param finished the runs of which one could be */
async function faultsOfCurrent(objects: ObjectStore, finished: readonly string[]): Promise<StoreDamage[]> {
  const fault = (problem: Damage['problem'], message: string): StoreDamage[] => [
    { severity: 'error', problem, object: CURRENT, message },
  ];
  const hint = 'run the `esparse prune` of a finished run again, and that run is current';
  try {
    const current = await readCurrent(objects);
    if (current === undefined) {
      if (finished.length === 0) return [];
      return fault(
        'missing',
        `${CURRENT} is missing, though a run is finished (${finished.join(', ')}); ${hint}`,
      );
    }
    if (await holdsRun(objects, current)) return [];
    return fault('document', `${CURRENT} names the run ${current}, which is not there; ${hint}`);
  } catch (error) {
    if (!isEsparseError(error) || error.kind !== 'store') throw error;
    return fault('document', `${messageOf(error)}; ${hint}`);
  }
}
