import { joinKey, type ObjectStore } from '@esparse/storage';
import { listInFinished, unlistInFinished } from './finished-folders.ts';
import { ZARR_JSON } from './layout.ts';
import { entryOf, sameEntry, type ManifestEntry } from './manifest.ts';
import { readRawManifest, splitRawPath, writeRawManifest } from './raw-objects.ts';

/** Where the new bytes of an object lie while its own name still has the old ones. */
const ASIDE = 'renewed';

/**
 * Makes a folder of raw objects hold these objects and no others, also that of a finished run. In the end its bytes are
 * those that a new run would have. At every moment, and wherever a process is killed, the run is sound, and each object
 * has either its old bytes or the new ones: what is listed is never overwritten. A new object is written, then listed. An
 * object with other bytes is written beside the old one, listed there, and then brought to its own name in the same way;
 * its name is the last part of its path, in both places. The summary of a finished run does not speak for the folder
 * meanwhile; the folder's manifest carries its own seal.
 *
 * @param run the run's folder
 * @param folder such as 'tokenizer'
 * @returns the names that were added, changed or removed, sorted; none where all was as it should be
 */
export async function replaceFolder(
  store: ObjectStore,
  run: string,
  folder: string,
  objects: ReadonlyMap<string, Uint8Array>,
): Promise<string[]> {
  for (const name of objects.keys()) splitRawPath(joinKey(folder, name));
  const place = joinKey(run, folder);
  await store.cleanUp(place);
  const before = await readRawManifest(store, place);
  const after = [...objects].map(([name, bytes]) => entryOf(name, bytes));
  const changed = differing(before, after);
  if (changed.length > 0) {
    await unlistInFinished(store, run, folder);
    await replaceObjects(store, place, { before, after, objects });
  }
  await listInFinished(store, run, folder);
  await removeUnlisted(store, place, objects);
  return changed;
}

interface Replacement {
  readonly before: readonly ManifestEntry[];
  readonly after: readonly ManifestEntry[];
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

async function replaceObjects(
  store: ObjectStore,
  place: string,
  { before, after, objects }: Replacement,
): Promise<void> {
  const listed = new Map(before.map((entry) => [entry.path, entry]));
  const isOther = (entry: ManifestEntry) => {
    const found = listed.get(entry.path);
    return found !== undefined && !sameEntry(found, entry);
  };
  const others = after.filter(isOther);
  if (others.length > 0) {
    const aside = (path: string) => joinKey(ASIDE, path);
    await putObjects(
      store,
      place,
      others.map(({ path }) => [aside(path), objects.get(path)!]),
    );
    for (const entry of others) {
      listed.delete(entry.path);
      listed.set(aside(entry.path), { ...entry, path: aside(entry.path) });
    }
    await writeRawManifest(store, place, listed.values());
  }
  const wanting = after.filter(({ path }) => !listed.has(path));
  await putObjects(
    store,
    place,
    wanting.map(({ path }) => [path, objects.get(path)!]),
  );
  await writeRawManifest(store, place, after);
}

async function putObjects(
  store: ObjectStore,
  place: string,
  objects: readonly (readonly [path: string, bytes: Uint8Array])[],
): Promise<void> {
  const keys = objects.map(([path]) => joinKey(place, path));
  for (const [i, [, bytes]] of objects.entries()) await store.put(keys[i]!, [bytes], { durable: true });
  await store.sync(keys.map((key) => key.slice(0, key.lastIndexOf('/'))));
}

/** What an earlier attempt left, too. */
async function removeUnlisted(
  store: ObjectStore,
  place: string,
  objects: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const keep = new Set([ZARR_JSON, ...objects.keys()].map((path) => joinKey(place, path)));
  const left: string[] = [];
  for await (const key of store.list(place)) if (!keep.has(key)) left.push(key);
  for (const key of left) await store.delete(key);
}

/** The last parts of the paths of objects that two manifests do not both list in the same way. */
function differing(before: readonly ManifestEntry[], after: readonly ManifestEntry[]): string[] {
  const without = (some: readonly ManifestEntry[], others: readonly ManifestEntry[]) =>
    some.filter((entry) => !others.some((other) => sameEntry(entry, other)));
  const names = [...without(before, after), ...without(after, before)].map(({ path }) =>
    path.slice(path.lastIndexOf('/') + 1),
  );
  return [...new Set(names)].sort();
}
