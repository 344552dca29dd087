import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { forEachBounded, folderOf, joinKey, type ObjectStore } from '@esparse/storage';
import { arrayDocumentSchema, chunkBytesOf, chunkKeyOf, type ArrayDocument } from './array-document.ts';
import { checkDocument, parseJson, readSmall } from './json-document.ts';
import { ZARR_JSON } from './layout.ts';
import { SMALL_READS_IN_FLIGHT } from './limits.ts';
import { entryOf, manifestSchema, type ManifestEntry } from './manifest.ts';
import { readSealedGroup, type Attributes } from './sealed-document.ts';

/** A committed group's own document. */
export interface CommitDocument {
  readonly attributes: Attributes;
  readonly objects: readonly ManifestEntry[];
}

/** Everything of a committed group but the elements of its arrays. */
export interface GroupContents extends CommitDocument {
  readonly arrays: ReadonlyMap<string, ArrayDocument>;
  readonly groups: ReadonlyMap<string, Attributes>;
}

const nodeSchema = z.discriminatedUnion('node_type', [
  arrayDocumentSchema,
  z.object({
    zarr_format: z.literal(3),
    node_type: z.literal('group'),
    attributes: z.record(z.string(), z.unknown()).default({}),
  }),
]);
const commitSchema = z.looseObject({ objects: manifestSchema });

/** Reads the document that commits a group; undefined where the group is not committed. */
export async function readCommit(store: ObjectStore, folder: string): Promise<CommitDocument | undefined> {
  const key = joinKey(folder, ZARR_JSON);
  const sealed = await readSealedGroup(store, key);
  if (sealed === undefined) return undefined;
  const { objects, ...attributes } = checkDocument(store, key, commitSchema, sealed);
  return { attributes, objects };
}

/**
 * Reads the metadata of a committed group and checks that manifest, metadata and the sizes of the objects agree.
 *
 * @throws EsparseError 'store' where it is not committed, or naming what does not agree
 */
export async function readGroupContents(
  store: ObjectStore,
  folder: string,
  label: string,
): Promise<GroupContents> {
  const commit = await readCommit(store, folder);
  if (commit === undefined) {
    throw new EsparseError('store', `${label} is not committed in ${store.describe()}`, {
      hint: 'the run has not come so far: run `esparse prune` again to resume it',
    });
  }
  const arrays = new Map<string, ArrayDocument>();
  const groups = new Map<string, Attributes>();
  const data = new Map<string, ManifestEntry>();
  const nodes: ManifestEntry[] = [];
  for (const entry of commit.objects) {
    if (entry.path.endsWith(`/${ZARR_JSON}`)) nodes.push(entry);
    else data.set(entry.path, entry);
  }
  const documents = new Array<Awaited<ReturnType<typeof readNode>>>(nodes.length);
  await forEachBounded(nodes.length, SMALL_READS_IN_FLIGHT, async (i) => {
    documents[i] = await readNode(store, folder, label, nodes[i]!);
  });
  for (const [i, document] of documents.entries()) {
    const path = folderOf(nodes[i]!.path);
    if (document.node_type === 'group') {
      groups.set(path, document.attributes);
      continue;
    }
    arrays.set(path, document);
    const chunk = chunkKeyOf(document.shape);
    if (chunk === undefined) continue;
    const chunkPath = joinKey(path, chunk);
    if (data.get(chunkPath)?.bytes !== chunkBytesOf(document)) {
      throw disagree(label, `the manifest and the shape of array ${path} do not agree`);
    }
    data.delete(chunkPath);
    await checkMappable(store, folder, label, path, document);
  }
  const [unknown] = data.keys();
  if (unknown !== undefined)
    throw disagree(label, `the manifest lists ${unknown}, which belongs to no array`);
  return { ...commit, arrays, groups };
}

async function readNode(store: ObjectStore, folder: string, label: string, entry: ManifestEntry) {
  const key = joinKey(folder, entry.path);
  const bytes = await readSmall(store, key);
  if (bytes === undefined) throw disagree(label, `${entry.path} is missing`);
  const found = entryOf(entry.path, bytes);
  if (found.bytes !== entry.bytes || found.crc32c !== entry.crc32c) {
    throw disagree(label, `${entry.path} is not what the manifest says`);
  }
  return checkDocument(store, key, nodeSchema, parseJson(store, key, bytes));
}

/** A mapped file that is too short would kill the process that touches its end, so its size is checked here. */
async function checkMappable(
  store: ObjectStore,
  folder: string,
  label: string,
  path: string,
  document: ArrayDocument,
): Promise<void> {
  if (store.fileOf === undefined) return;
  const size = await store.size(joinKey(folder, path, chunkKeyOf(document.shape) ?? ''));
  const expected = chunkBytesOf(document);
  if (size === expected) return;
  const found = size === undefined ? 'is missing' : `has ${size} bytes instead of ${expected}`;
  throw disagree(label, `the data of array ${path} ${found}`);
}

function disagree(label: string, fault: string): EsparseError {
  return new EsparseError('store', `${label} is damaged: ${fault}`, {
    hint: '`esparse verify` lists all damage; restore the store from a copy, or prune again into another one',
  });
}
