import { EsparseError } from '@esparse/errors';
import { joinKey, type ObjectStore } from '@esparse/storage';
import { openGroup, type CommittedGroup } from './committed-group.ts';
import { commitKey, committedBlocks, isCommitted } from './commits.ts';
import { readFinished, type FinishedSummary } from './finished.ts';
import { hiddenStates, type RunHiddenStates } from './hidden-states.ts';
import { blockFolder, DENSE, draftFolder, FINISHED, runFolder, ZARR_JSON } from './layout.ts';
import { leftoversOf } from './leftovers.ts';
import { isRawFolder, readRawManifest, readRawObject } from './raw-objects.ts';
import { readRunState } from './run-state.ts';
import { readSealedGroup, type Attributes } from './sealed-document.ts';
import { verifyRun, type Damage, type VerifyProgress } from './verify.ts';

/** One run of a pipeline: what it was made of, and what of it is committed. */
export interface Run extends RunHiddenStates {
  readonly fingerprint: string;
  /** What was given to `beginRun`. */
  readonly attributes: Attributes;
  /** True once every block and the dense arrays are committed and `finish` was called. */
  finished(): Promise<boolean>;
  /** The summary of a finished run, else undefined. */
  summary(): Promise<FinishedSummary | undefined>;
  /** Numbers of the committed blocks, ascending. */
  committedBlocks(): Promise<number[]>;
  /** Whether block k is committed. */
  isCommitted(k: number): Promise<boolean>;
  /** When block k was committed; undefined where it is not, or the medium does not say. */
  committedAt(k: number): Promise<Date | undefined>;
  isDenseCommitted(): Promise<boolean>;
  /** Bytes in its folder that are not committed: of blocks that were begun, and hidden states. */
  uncommittedBytes(): Promise<number>;
  /** Opens a committed block. @throws EsparseError 'store' where it is not committed or damaged */
  block(k: number): Promise<CommittedGroup>;
  /**
   * Opens the draft of a block: what it would be committed as, for workers that change it before.
   *
   * @throws EsparseError 'store' where there is none, or it is damaged
   */
  draft(k: number): Promise<CommittedGroup>;
  /** Opens the arrays outside the blocks. @throws EsparseError 'store' where they are not committed or damaged */
  dense(): Promise<CommittedGroup>;
  /** Reads a raw object such as 'tokenizer/tokenizer.json', checked. @throws EsparseError 'store' */
  object(path: string): Promise<Uint8Array>;
  /** The paths of the raw objects in a folder such as 'tokenizer', in order. */
  objects(folder: string): Promise<string[]>;
  /** A text that is another one when a folder of raw objects has other objects or bytes, without reading them. */
  version(folder: string): Promise<string>;
  /**
   * Reads every object of the run, hidden states excepted, and compares it with its manifest.
   *
   * @returns what is damaged (severity 'error') and what does not belong ('warning'); empty for a sound run
   */
  verify(onProgress?: (progress: VerifyProgress) => void, signal?: AbortSignal): Promise<Damage[]>;
}

/** Opens a run. @throws EsparseError 'store' where there is no such run, or its document is damaged */
export async function openRunAt(store: ObjectStore, fingerprint: string): Promise<Run> {
  const folder = runFolder(fingerprint);
  const label = `run ${fingerprint}`;
  const key = joinKey(folder, ZARR_JSON);
  const attributes = await readSealedGroup(store, key);
  if (attributes === undefined) {
    throw new EsparseError('store', `${label} is not in ${store.describe()}: ${key} is missing`, {
      hint: 'where the rest of the run is there, the same `esparse prune` as before writes it anew',
      context: { store: store.describe(), run: fingerprint },
    });
  }
  return {
    fingerprint,
    attributes,
    finished: async () => (await store.size(joinKey(folder, FINISHED))) !== undefined,
    summary: async () => (await readFinished(store, folder))?.summary,
    committedBlocks: () => committedBlocks(store, folder),
    isCommitted: async (k) => isCommitted(store, blockFolder(folder, k)),
    committedAt: (k) => store.written(commitKey(blockFolder(folder, k))),
    isDenseCommitted: () => isCommitted(store, joinKey(folder, DENSE)),
    async uncommittedBytes() {
      const leftovers = await leftoversOf(store, await readRunState(store, fingerprint));
      return leftovers.reduce((sum, { bytes }) => sum + bytes, 0);
    },
    block: async (k) => openGroup(store, blockFolder(folder, k), `${label}, block ${k}`),
    draft: async (k) => openGroup(store, draftFolder(folder, k), `${label}, draft of block ${k}`),
    dense: () => openGroup(store, joinKey(folder, DENSE), `${label}, dense`),
    object: (path) => readRawObject(store, folder, path, label),
    async objects(name) {
      if (!isRawFolder(name)) throw new EsparseError('usage', `${name} is no folder of raw objects`);
      const entries = await readRawManifest(store, joinKey(folder, name));
      return entries.map((entry) => joinKey(name, entry.path));
    },
    version: async (name) => JSON.stringify(await readRawManifest(store, joinKey(folder, name))),
    ...hiddenStates(store, folder),
    verify: (onProgress, signal) => verifyRun(store, fingerprint, onProgress, signal),
  };
}
