import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { checkKey, folderOf, joinKey, type ObjectStore } from '@esparse/storage';
import { checkDocument } from './json-document.ts';
import { BLOCKS, DENSE, HIDDEN, HIDDEN_DENSE, ZARR_JSON } from './layout.ts';
import { entryOf, isChunk, manifestSchema, sortedEntries, type ManifestEntry } from './manifest.ts';
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
  return ![BLOCKS, DENSE, HIDDEN, HIDDEN_DENSE].includes(name) && !name.includes('.');
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

/**
 * Stores a raw object, then lists it. The same bytes again are no change; other bytes are refused.
 *
 * @throws EsparseError 'store' where other bytes are stored under this path
 */
export async function writeRawObject(
  store: ObjectStore,
  run: string,
  path: string,
  bytes: Uint8Array,
  label: string,
): Promise<void> {
  const { folder: name, name: below } = splitRawPath(path);
  const folder = joinKey(run, name);
  const entries = await readRawManifest(store, folder);
  const entry = entryOf(below, bytes);
  const before = entries.find((candidate) => candidate.path === below);
  if (before !== undefined && !matches(before, bytes)) {
    throw new EsparseError('store', `${label}: other bytes are stored as ${path}`, {
      hint: 'what is stored is never overwritten; prune into another store',
    });
  }
  const key = joinKey(run, path);
  await store.cleanUp(folderOf(key));
  const stored = before === undefined ? undefined : await store.getRange(key, 0, entry.bytes + 1);
  if (stored === undefined || !matches(entry, stored)) {
    await store.put(key, [bytes], { durable: true });
    await store.sync([folderOf(key)]);
  }
  if (before !== undefined) return;
  const document = sealedGroup({ objects: sortedEntries([...entries, entry]) }, `${label}: ${name}`);
  await store.put(joinKey(folder, ZARR_JSON), [document], { durable: true });
  await store.sync([folder]);
}

function matches(entry: ManifestEntry, bytes: Uint8Array): boolean {
  const found = entryOf(entry.path, bytes);
  return found.bytes === entry.bytes && found.crc32c === entry.crc32c;
}
