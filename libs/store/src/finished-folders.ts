import { joinKey, type ObjectStore } from '@esparse/storage';
import { readFinished, type Finished } from './finished.ts';
import { readSmall } from './json-document.ts';
import { FINISHED, ZARR_JSON } from './layout.ts';
import { entryOf, sameEntry, sortedEntries, type ManifestEntry } from './manifest.ts';
import { readRawManifest } from './raw-objects.ts';
import { sealedObject } from './sealed-document.ts';

/** The summary of a finished run speaks no longer for a folder of raw objects; nothing where it does not, or there is none. */
export async function unlistInFinished(store: ObjectStore, run: string, folder: string): Promise<void> {
  const finished = await readFinished(store, run);
  const path = joinKey(folder, ZARR_JSON);
  if (finished?.objects.some((entry) => entry.path === path) !== true) return;
  await writeFinished(store, run, {
    objects: finished.objects.filter((entry) => entry.path !== path),
    summary: { ...finished.summary, bytes: finished.summary.bytes - (await bytesOf(store, run, folder)) },
  });
}

/** The summary of a finished run speaks for a folder as it is; nothing where it does already, or there is none. */
export async function listInFinished(store: ObjectStore, run: string, folder: string): Promise<void> {
  const finished = await readFinished(store, run);
  const entry = await entryOfFolder(store, run, folder);
  if (finished === undefined || entry === undefined) return;
  if (finished.objects.some((other) => sameEntry(other, entry))) return;
  await writeFinished(store, run, {
    objects: sortedEntries([...finished.objects, entry]),
    summary: { ...finished.summary, bytes: finished.summary.bytes + (await bytesOf(store, run, folder)) },
  });
}

async function entryOfFolder(
  store: ObjectStore,
  run: string,
  folder: string,
): Promise<ManifestEntry | undefined> {
  const path = joinKey(folder, ZARR_JSON);
  const document = await readSmall(store, joinKey(run, path));
  return document && entryOf(path, document);
}

/** Bytes of a folder's manifest and of the objects in it. */
async function bytesOf(store: ObjectStore, run: string, folder: string): Promise<number> {
  const manifest = (await entryOfFolder(store, run, folder))?.bytes ?? 0;
  const entries = await readRawManifest(store, joinKey(run, folder));
  return entries.reduce((sum, { bytes }) => sum + bytes, manifest);
}

async function writeFinished(store: ObjectStore, run: string, { summary, objects }: Finished): Promise<void> {
  const document = sealedObject({ ...summary, objects }, `the summary of ${run}`);
  await store.put(joinKey(run, FINISHED), [document], { durable: true });
  await store.sync([run]);
}
