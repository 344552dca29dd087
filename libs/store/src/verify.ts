import { isEsparseError, messageOf } from '@esparse/errors';
import { joinKey, type ObjectStore } from '@esparse/storage';
import { committedBlocks } from './commits.ts';
import { readCurrent } from './current.ts';
import { readFinished } from './finished.ts';
import { readCommit, readGroupContents } from './group-contents.ts';
import {
  blockFolder,
  blockOfName,
  BLOCKS,
  CURRENT,
  DENSE,
  DRAFTS,
  FINISHED,
  HIDDEN,
  HIDDEN_DENSE,
  runFolder,
  RUNS,
  ZARR_JSON,
} from './layout.ts';
import { faultOfObject, type Fault, type ManifestEntry } from './manifest.ts';
import { isRawFolder, readRawManifest } from './raw-objects.ts';
import { readSealedGroup } from './sealed-document.ts';

/** One thing that is wrong with a run. */
export interface Damage {
  /** 'error': a reader will fail or must not trust it. 'warning': something that belongs to nothing. */
  readonly severity: 'error' | 'warning';
  readonly problem: Fault['problem'] | 'document' | 'unlisted';
  /** The key of the object, from the root of the store. */
  readonly object: string;
  /** What is wrong, naming the object. */
  readonly message: string;
  readonly block?: number;
}

/** How far a verification has come. */
export interface VerifyProgress {
  readonly objects: number;
  readonly totalObjects: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** A part of a run with its own manifest. */
interface Part {
  readonly folder: string;
  readonly label: string;
  readonly block?: number;
  readonly objects: readonly ManifestEntry[];
  /** Whether its objects are arrays, whose metadata must agree with the manifest. */
  readonly arrays: boolean;
}

/** Compares every object of a run with the manifests; see `Run.verify`. */
export async function verifyRun(
  store: ObjectStore,
  fingerprint: string,
  onProgress?: (progress: VerifyProgress) => void,
  signal?: AbortSignal,
): Promise<Damage[]> {
  const verification = new Verification(store, fingerprint);
  await verification.readDocuments();
  await verification.readObjects(onProgress, signal);
  await verification.findUnlisted();
  return verification.damages;
}

class Verification {
  readonly damages: Damage[] = [];
  readonly #store: ObjectStore;
  readonly #fingerprint: string;
  readonly #run: string;
  readonly #parts: Part[] = [];
  /** Keys of the objects that belong to the run. */
  readonly #known = new Set<string>();
  #isFinished = false;

  constructor(store: ObjectStore, fingerprint: string) {
    this.#store = store;
    this.#fingerprint = fingerprint;
    this.#run = runFolder(fingerprint);
  }

  /** The documents that carry seals, and with them the manifests. */
  async readDocuments(): Promise<void> {
    const store = this.#store;
    const run = this.#run;
    for (const key of [ZARR_JSON, joinKey(RUNS, ZARR_JSON), joinKey(run, ZARR_JSON)]) {
      await this.#document(key, () => readSealedGroup(store, key));
    }
    const current = await this.#document(CURRENT, () => readCurrent(store), { optional: true });
    const served = current === this.#fingerprint;
    const key = joinKey(run, FINISHED);
    const finished = await this.#document(key, () => readFinished(store, run), { optional: !served });
    if (finished !== undefined) {
      this.#parts.push({ folder: run, label: 'the run', objects: finished.objects, arrays: false });
    }
    const isFinished = finished !== undefined;
    this.#isFinished = isFinished;
    const blocksKey = joinKey(run, BLOCKS, ZARR_JSON);
    await this.#document(blocksKey, () => readSealedGroup(store, blocksKey), { optional: !isFinished });
    await this.#commit(joinKey(run, DENSE), 'dense', undefined, !isFinished);
    const expected = Array.from({ length: finished?.summary.blocks ?? 0 }, (_, k) => k);
    const blocks = new Set([...expected, ...(await committedBlocks(store, run))]);
    for (const k of [...blocks].sort((a, b) => a - b)) {
      await this.#commit(blockFolder(run, k), `block ${k}`, k, false);
    }
    for (const name of await store.children(run)) {
      if (!isRawFolder(name)) continue;
      const folder = joinKey(run, name);
      const keyOfFolder = joinKey(folder, ZARR_JSON);
      if (!isFinished && (await store.size(keyOfFolder)) === undefined) continue;
      const objects = await this.#document(keyOfFolder, () => readRawManifest(store, folder));
      if (objects !== undefined) this.#parts.push({ folder, label: name, objects, arrays: false });
    }
  }

  async readObjects(onProgress?: (progress: VerifyProgress) => void, signal?: AbortSignal): Promise<void> {
    const all = this.#parts.flatMap(({ objects }) => objects);
    const totalBytes = all.reduce((sum, entry) => sum + entry.bytes, 0);
    const progress = { objects: 0, totalObjects: all.length, bytes: 0, totalBytes };
    for (const part of this.#parts) {
      const before = this.damages.length;
      for (const entry of part.objects) {
        signal?.throwIfAborted();
        const key = joinKey(part.folder, entry.path);
        this.#known.add(key);
        await this.#guard(key, part.block, async () => {
          const fault = await faultOfObject(this.#store, key, entry, signal);
          if (fault !== undefined)
            this.#add(key, fault.problem, `${part.label}: ${entry.path} ${fault.message}`, part.block);
        });
        progress.objects++;
        progress.bytes += entry.bytes;
        onProgress?.({ ...progress });
      }
      // The bytes are as committed: whether they make sense is asked last.
      if (part.arrays && this.damages.length === before) {
        const key = joinKey(part.folder, ZARR_JSON);
        await this.#guard(key, part.block, async () => {
          await readGroupContents(this.#store, part.folder, part.label);
        });
      }
    }
  }

  /** Objects in the run's folder that no manifest lists and no writer may be writing: harmless, and worth knowing. */
  async findUnlisted(): Promise<void> {
    for await (const key of this.#store.list(this.#run)) {
      if (this.#known.has(key) || this.#isInTheMaking(key.slice(this.#run.length + 1))) continue;
      this.damages.push({
        severity: 'warning',
        problem: 'unlisted',
        object: key,
        message: `${key} is in no manifest: left by an attempt that did not commit, or put there by someone else`,
      });
    }
  }

  /**
   * Whether an object is where a run writes before it commits: hidden states, drafts, and in a run that is not finished the groups
   * that were not committed when their commits were read, and the folders of raw objects.
   *
   * @param path below the run
   */
  #isInTheMaking(path: string): boolean {
    const [top = '', second = ''] = path.split('/');
    if (!path.includes('/')) return false;
    if (top === HIDDEN || top === HIDDEN_DENSE || top === DRAFTS) return true;
    if (this.#isFinished) return false;
    if (isRawFolder(top)) return true;
    const group = top === BLOCKS ? joinKey(BLOCKS, second) : top;
    const isGroup = top === DENSE || (top === BLOCKS && blockOfName(second) !== undefined);
    return isGroup && !this.#parts.some(({ folder }) => folder === joinKey(this.#run, group));
  }

  async #commit(folder: string, label: string, block: number | undefined, optional: boolean): Promise<void> {
    const key = joinKey(folder, ZARR_JSON);
    const commit = await this.#document(key, () => readCommit(this.#store, folder), { optional, block });
    if (commit === undefined) return;
    const part = { folder, label, objects: commit.objects, arrays: true };
    this.#parts.push(block === undefined ? part : { ...part, block });
  }

  /** Reads a document that checks itself; one that is absent is damage unless it may be. */
  async #document<T>(
    key: string,
    read: () => Promise<T | undefined>,
    options: { optional?: boolean; block?: number | undefined } = {},
  ): Promise<T | undefined> {
    this.#known.add(key);
    return this.#guard(key, options.block, async () => {
      const found = await read();
      if (found === undefined && options.optional !== true) {
        this.#add(key, 'missing', `${key} is missing`, options.block);
      }
      return found;
    });
  }

  /** An error about the store is damage; any other ends the verification. */
  async #guard<T>(key: string, block: number | undefined, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'store') throw error;
      this.#add(key, 'document', messageOf(error), block);
      return undefined;
    }
  }

  #add(object: string, problem: Damage['problem'], message: string, block: number | undefined): void {
    // A document that fails its own seal also differs from finished.json: once is enough.
    if (this.damages.some((damage) => damage.object === object)) return;
    const damage = { severity: 'error', problem, object, message } as const;
    this.damages.push(block === undefined ? damage : { ...damage, block });
  }
}
