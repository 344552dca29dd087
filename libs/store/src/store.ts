import { EsparseError, isEsparseError, messageOf } from '@esparse/errors';
import { joinKey, type ObjectStore, openObjects } from '@esparse/storage';
import { readCurrent, readCurrentIfSound } from './current.ts';
import type { RunHiddenStates } from './hidden-states.ts';
import { CURRENT, FINISHED, runFolder, ZARR_JSON } from './layout.ts';
import { holdsRun, isRun, readRunState, runNames, type RunState } from './run-state.ts';
import { beginRunAt, type RunWriter } from './run-writer.ts';
import { openRunAt, type Run } from './run.ts';
import { readSealedGroup, sealedGroup, type Attributes } from './sealed-document.ts';

/** A store of runs. */
export interface Store {
  /** Where it is. */
  readonly objects: ObjectStore;
  /** All runs, in the order of their fingerprints. */
  runs(): Promise<RunSummary[]>;
  /** The fingerprint of the run to be served, or undefined before the first one has finished. */
  current(): Promise<string | undefined>;
  /**
   * Opens a run, finished or not.
   *
   * @param fingerprint or its first letters, where only one run begins so @default the current run
   * @throws EsparseError 'store' where there is no such run, listing those that there are
   */
  openRun(fingerprint?: string): Promise<Run>;
  /** The fingerprint of the run that `openRun` would open, also of one whose own document is missing. @throws as `openRun` */
  findRun(fingerprint?: string): Promise<string>;
  /**
   * Begins a run, or resumes it, and takes the lock of the one writer.
   *
   * @param attributes plain JSON; the names format and seal are reserved. The same for the same fingerprint.
   * @throws EsparseError 'locked' where another process writes, naming it; 'store' for other attributes than before
   */
  beginRun(fingerprint: string, attributes: Attributes): Promise<RunWriter>;
}

/** What a list of runs says of one. */
export interface RunSummary {
  readonly fingerprint: string;
  /** Whether it is the one to be served. */
  readonly current: boolean;
  readonly finished: boolean;
  /** How many blocks are committed. */
  readonly blocks: number;
  /** When it was finished, or begun where it is not finished; undefined where the medium does not say. */
  readonly written: Date | undefined;
  /** What was given to `beginRun`; empty where `damage` is set. */
  readonly attributes: Attributes;
  /** Why the run's own document cannot be read, else undefined. */
  readonly damage: string | undefined;
}

/**
 * Opens a store to write, making it where the folder is empty or absent.
 *
 * @param root a location (see @esparse/storage), or the objects of a store
 * @throws EsparseError 'store' for a folder with other things in it, or a store of a newer format
 */
export async function createOrOpenStore(root: string | ObjectStore): Promise<Store> {
  const objects = await objectsOf(root);
  if ((await readSealedGroup(objects, ZARR_JSON)) === undefined) {
    // A volume that is freshly made and mounted has this folder.
    const names = (await objects.children('')).filter((name) => name !== 'lost+found');
    // Another process may have made it just now.
    if (names.includes(ZARR_JSON) && (await readSealedGroup(objects, ZARR_JSON)) !== undefined) {
      return new ObjectsStore(objects);
    }
    if (names.length > 0) {
      throw new EsparseError('store', `${objects.describe()} is not empty and is not an esparse store`, {
        hint: `choose an empty or new folder (this one has ${names.slice(0, 5).join(', ')})`,
      });
    }
    await objects.put(ZARR_JSON, [sealedGroup({}, ZARR_JSON)], { durable: true });
    await objects.sync(['']);
  }
  return new ObjectsStore(objects);
}

/**
 * Opens a store to read.
 *
 * @param root a location (see @esparse/storage), or the objects of a store
 * @throws EsparseError 'store' where there is none, or one of a newer format
 */
export async function openStore(root: string | ObjectStore): Promise<Store> {
  const objects = await objectsOf(root);
  if ((await readSealedGroup(objects, ZARR_JSON)) === undefined) {
    throw new EsparseError('store', `${objects.describe()} is not an esparse store: it has no ${ZARR_JSON}`, {
      hint: 'name the folder that was given to `esparse prune --store`',
    });
  }
  return new ObjectsStore(objects);
}

/**
 * Opens the hidden states of a run without the writer's lock, as workers do.
 *
 * @throws EsparseError 'store' where there is no such store or run
 */
export async function openHidden(root: string | ObjectStore, fingerprint: string): Promise<RunHiddenStates> {
  const { objects } = await openStore(root);
  return openRunAt(objects, fingerprint);
}

class ObjectsStore implements Store {
  readonly objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.objects = objects;
  }

  async runs(): Promise<RunSummary[]> {
    const current = await readCurrentIfSound(this.objects);
    const summaries: RunSummary[] = [];
    for (const name of await runNames(this.objects)) {
      const state = await readRunState(this.objects, name);
      if (isRun(state)) summaries.push(await this.#summary(state, current));
    }
    return summaries;
  }

  current(): Promise<string | undefined> {
    return readCurrent(this.objects);
  }

  async openRun(fingerprint?: string): Promise<Run> {
    return openRunAt(this.objects, await this.findRun(fingerprint));
  }

  beginRun(fingerprint: string, attributes: Attributes): Promise<RunWriter> {
    return beginRunAt(this.objects, fingerprint, attributes);
  }

  async findRun(wanted?: string): Promise<string> {
    const known = await this.#fingerprints();
    const current = wanted === undefined ? await this.current() : undefined;
    const exact = wanted ?? current;
    if (exact !== undefined && known.includes(exact)) return exact;
    const begins =
      wanted === undefined || wanted === '' ? [] : known.filter((name) => name.startsWith(wanted));
    if (begins.length === 1) return begins[0]!;
    throw new EsparseError('store', this.#unresolved(wanted, current, begins), {
      hint: known.length === 0 ? 'the store has no runs' : `the store has the runs ${known.join(', ')}`,
      context: { store: this.objects.describe() },
    });
  }

  #unresolved(wanted: string | undefined, current: string | undefined, begins: readonly string[]): string {
    const store = this.objects.describe();
    if (current !== undefined) return `${store}: ${CURRENT} names the run ${current}, which is not there`;
    if (wanted === undefined)
      return `${store} has no current run (none has finished, or ${CURRENT} was lost): say which run is meant`;
    if (begins.length > 1)
      return `${store}: ${begins.length} runs begin with ${wanted}: ${begins.join(', ')}`;
    return `${store} has no run ${JSON.stringify(wanted.slice(0, 128))}`;
  }

  /** Of the folders that hold a run; what else lies there is passed over. */
  async #fingerprints(): Promise<string[]> {
    const found: string[] = [];
    for (const name of await runNames(this.objects)) if (await holdsRun(this.objects, name)) found.push(name);
    return found;
  }

  async #summary(
    { fingerprint, finished, blocks }: RunState,
    current: string | undefined,
  ): Promise<RunSummary> {
    const document = joinKey(runFolder(fingerprint), finished ? FINISHED : ZARR_JSON);
    const summary = {
      ...{ fingerprint, current: fingerprint === current, finished, blocks: blocks.length },
      written: await this.objects.written(document),
    };
    try {
      const run = await openRunAt(this.objects, fingerprint);
      return { ...summary, attributes: run.attributes, damage: undefined };
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'store') throw error;
      return { ...summary, attributes: {}, damage: messageOf(error) };
    }
  }
}

async function objectsOf(root: string | ObjectStore): Promise<ObjectStore> {
  return typeof root === 'string' ? openObjects(root) : root;
}
