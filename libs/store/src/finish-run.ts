import { EsparseError } from '@esparse/errors';
import { folderOf, joinKey, type ObjectStore } from '@esparse/storage';
import { commitKey, committedBlocks, isCommitted } from './commits.ts';
import { readCurrentIfSound, writeCurrent, type SeenCurrent } from './current.ts';
import { readCommit } from './group-contents.ts';
import { readFinished } from './finished.ts';
import { readSmall } from './json-document.ts';
import { BLOCKS, checkBlock, DENSE, FINISHED, runFolder, ZARR_JSON } from './layout.ts';
import { entryOf, sortedEntries, type ManifestEntry } from './manifest.ts';
import { isRawFolder, readRawManifest } from './raw-objects.ts';
import { readSealedGroup, sealedObject } from './sealed-document.ts';

/** What a run is finished with: plain JSON, the same in two identical runs (no times, no host names). */
export interface FinishInput {
  /** Number of blocks that the run has to have, from block 0. */
  readonly blocks: number;
  readonly [name: string]: unknown;
}

/** Writes finished.json once everything is committed, then names the run to be served. */
export async function finishRun(
  store: ObjectStore,
  fingerprint: string,
  summary: FinishInput,
  current: SeenCurrent,
  assertHeld: () => void,
): Promise<void> {
  const folder = runFolder(fingerprint);
  if ((await readFinished(store, folder)) === undefined) {
    for (const name of ['objects', 'bytes']) {
      if (name in summary) throw new EsparseError('usage', `the name "${name}" of a summary is reserved`);
    }
    await assertComplete(store, folder, fingerprint, summary.blocks);
    const { objects, bytes } = await collect(store, folder, summary.blocks);
    // A commit may have been made by a process that was killed before it flushed the commit's folder.
    await store.sync(objects.map(({ path }) => joinKey(folder, folderOf(path))));
    assertHeld();
    const document = sealedObject({ ...summary, bytes, objects }, `the summary of run ${fingerprint}`);
    await store.putIf(joinKey(folder, FINISHED), document, undefined);
  }
  await store.sync([folder]);
  assertHeld();
  if ((await readCurrentIfSound(store)) !== fingerprint) await writeCurrent(store, fingerprint, current);
}

async function assertComplete(
  store: ObjectStore,
  folder: string,
  fingerprint: string,
  blocks: number,
): Promise<void> {
  if (blocks !== 0) checkBlock(blocks - 1);
  const committed = new Set(await committedBlocks(store, folder));
  const missing = Array.from({ length: blocks }, (_, k) => k).filter((k) => !committed.has(k));
  const names = missing.slice(0, 10).map((k) => `block ${k}`);
  if (!(await isCommitted(store, joinKey(folder, DENSE)))) names.push('dense');
  const extra = [...committed].filter((k) => k >= blocks);
  if (names.length > 0) {
    const more = missing.length > 10 ? ` and ${missing.length - 10} blocks more` : '';
    throw new EsparseError(
      'store',
      `run ${fingerprint} cannot finish: not committed: ${names.join(', ')}${more}`,
      {
        hint: 'run `esparse prune` again to resume it',
      },
    );
  }
  if (extra.length > 0) {
    throw new EsparseError(
      'store',
      `run ${fingerprint} has block ${extra.join(', ')} beyond its ${blocks} blocks`,
    );
  }
}

/** The documents of a run, whose checksums only finished.json can hold, and the bytes of everything. */
async function collect(
  store: ObjectStore,
  folder: string,
  blocks: number,
): Promise<{ objects: ManifestEntry[]; bytes: number }> {
  const objects: ManifestEntry[] = [];
  let bytes = 0;
  const add = async (path: string, listed: readonly ManifestEntry[]): Promise<void> => {
    const key = joinKey(folder, path);
    const document = await readSmall(store, key);
    if (document === undefined) throw new EsparseError('store', `${store.describe()}: ${key} is missing`);
    objects.push(entryOf(path, document));
    bytes += document.byteLength + listed.reduce((sum, entry) => sum + entry.bytes, 0);
  };
  for (const path of [ZARR_JSON, joinKey(BLOCKS, ZARR_JSON)]) {
    await readSealedGroup(store, joinKey(folder, path));
    await add(path, []);
  }
  const groups = [DENSE, ...Array.from({ length: blocks }, (_, k) => joinKey(BLOCKS, k))];
  for (const group of groups) {
    const commit = await readCommit(store, joinKey(folder, group));
    await add(commitKey(group), commit?.objects ?? []);
  }
  for (const name of await store.children(folder)) {
    if (!isRawFolder(name)) continue;
    await add(joinKey(name, ZARR_JSON), await readRawManifest(store, joinKey(folder, name)));
  }
  return { objects: sortedEntries(objects), bytes };
}
