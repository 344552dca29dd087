import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { checkKey, joinKey, type ObjectStore } from '@esparse/storage';
import { checkDocument } from './json-document.ts';
import { BLOCKS, DENSE, DRAFTS, HIDDEN, HIDDEN_DENSE, ZARR_JSON } from './layout.ts';
import {
  entryOf,
  isChunk,
  manifestSchema,
  sameEntry,
  sortedEntries,
  type ManifestEntry,
} from './manifest.ts';
import { readSealedGroup, sealedGroup } from './sealed-document.ts';

/** Raw objects of a run lie in folders such as tokenizer/, each a Zarr group whose attributes list them. */
const folderSchema = z.looseObject({ objects: manifestSchema });

/**
 * Splits the path of a raw object, 'tokenizer/tokenizer.json', into folder and rest.
 *
 * @throws EsparseError 'usage' for a path in a folder that has another meaning
 */
export function splitRawPath(path: string): { folder: string; name: string } {
  const slash = checkKey(path).indexOf('/');
  const folder = path.slice(0, Math.max(slash, 0));
  const name = path.slice(slash + 1);
  if (folder !== '' && isRawFolder(folder) && name !== ZARR_JSON && !isChunk(name)) return { folder, name };
  throw new EsparseError('usage', `a raw object cannot be stored as ${path}`, {
    hint: 'store it in a folder of its own kind, such as tokenizer/tokenizer.json',
  });
}

/** True for the name of a folder in a run that holds raw objects. */
export function isRawFolder(name: string): boolean {
  return ![BLOCKS, DENSE, DRAFTS, HIDDEN, HIDDEN_DENSE].includes(name) && !name.includes('.');
}

/** The manifest of a folder of raw objects; empty where there is no such folder. */
export async function readRawManifest(store: ObjectStore, folder: string): Promise<readonly ManifestEntry[]> {
  const key = joinKey(folder, ZARR_JSON);
  const sealed = await readSealedGroup(store, key);
  return sealed === undefined ? [] : checkDocument(store, key, folderSchema, sealed).objects;
}

/** Reads a raw object and checks it against its manifest. @throws EsparseError 'store' */
export async function readRawObject(
  store: ObjectStore,
  run: string,
  path: string,
  label: string,
): Promise<Uint8Array> {
  const { folder, name } = splitRawPath(path);
  const entries = await readRawManifest(store, joinKey(run, folder));
  const entry = entries.find((candidate) => candidate.path === name);
  if (entry === undefined) {
    const stored = entries.map((candidate) => joinKey(folder, candidate.path)).join(', ');
    throw new EsparseError('store', `${label} has no ${path}`, {
      hint: stored === '' ? undefined : `it has ${stored}`,
    });
  }
  // One byte more than expected, so that a longer object is seen without being read.
  const bytes = await store.getRange(joinKey(run, path), 0, entry.bytes + 1);
  if (bytes !== undefined && matches(entry, bytes)) return bytes;
  throw new EsparseError('store', `${label}: ${path} is ${bytes === undefined ? 'missing' : 'damaged'}`, {
    hint: 'restore the store from a copy, or prune again into another one',
  });
}

/** Lists the objects of a folder, instead of whatever was listed before. */
export async function writeRawManifest(
  store: ObjectStore,
  folder: string,
  entries: Iterable<ManifestEntry>,
): Promise<void> {
  const document = sealedGroup({ objects: sortedEntries(entries) }, folder);
  await store.put(joinKey(folder, ZARR_JSON), [document], { durable: true });
  await store.sync([folder]);
}

function matches(entry: ManifestEntry, bytes: Uint8Array): boolean {
  return sameEntry(entry, entryOf(entry.path, bytes));
}
