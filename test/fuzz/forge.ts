import path from 'node:path';
import { checksumLarge, hexOf } from '@esparse/store';
import type { Changes } from './mutable-folder.ts';

const SEAL = /"seal": "[0-9a-f]{8}"/g;
const TRAILER_BYTES = 4;

interface Entry {
  path: string;
  bytes: number;
  crc32c: string;
}

/**
 * Makes the checksums of a store agree with what was changed, as somebody would who wants it to be read: the trailers of
 * chunks, the manifests that list them, the seals of documents, and what lists those.
 */
export async function forge(files: ReadonlyMap<string, Uint8Array>, changes: Changes): Promise<void> {
  for (const key of [...changes.keys()]) await forgeObject(files, changes, key);
}

async function forgeObject(
  files: ReadonlyMap<string, Uint8Array>,
  changes: Changes,
  key: string,
): Promise<void> {
  const bytes = changes.get(key);
  if (!(bytes instanceof Uint8Array)) return;
  const chunk = isChunk(key) && bytes.length >= TRAILER_BYTES;
  const sealed = chunk ? await withTrailer(bytes) : await withSeal(bytes);
  changes.set(key, sealed);
  const crc32c = hexOf(await checksumLarge(chunk ? sealed.subarray(0, -TRAILER_BYTES) : sealed));
  const list = listOf(key);
  if (list === undefined) return;
  const before = changes.get(list) ?? files.get(list);
  if (!(before instanceof Uint8Array)) return;
  const entry = { path: path.posix.relative(path.posix.dirname(list), key), bytes: sealed.length, crc32c };
  const after = withEntry(before, entry);
  if (after === undefined) return;
  changes.set(list, after);
  await forgeObject(files, changes, list);
}

function isChunk(key: string): boolean {
  return /\/c(\/0)*$/.test(key);
}

async function withTrailer(bytes: Uint8Array): Promise<Uint8Array> {
  const out = new Uint8Array(bytes);
  const end = out.length - TRAILER_BYTES;
  new DataView(out.buffer).setUint32(end, await checksumLarge(out.subarray(0, end)), true);
  return out;
}

/** A document with its own checksum in place; other bytes as they are. */
async function withSeal(bytes: Uint8Array): Promise<Uint8Array> {
  const text = Buffer.from(bytes).toString('latin1');
  if (text.match(SEAL)?.length !== 1) return bytes;
  const open = text.replace(SEAL, '"seal": "00000000"');
  const seal = hexOf(await checksumLarge(Buffer.from(open, 'latin1')));
  return Buffer.from(text.replace(SEAL, `"seal": "${seal}"`), 'latin1');
}

/** The document whose manifest lists an object. */
function listOf(key: string): string | undefined {
  const [runs, run, part, ...rest] = key.split('/');
  if (runs !== 'runs' || part === undefined) return undefined;
  const folder = `${runs}/${run!}`;
  const finished = `${folder}/finished.json`;
  if (part === 'blocks' && rest.length > 1) {
    const commit = `${folder}/blocks/${rest[0]!}/zarr.json`;
    return key === commit ? finished : commit;
  }
  if (rest.length > 0 && part !== 'blocks') {
    const commit = `${folder}/${part}/zarr.json`;
    return key === commit ? finished : commit;
  }
  return part === 'finished.json' ? undefined : finished;
}

/** A document whose manifest has this entry in the place of the one of the same path. */
function withEntry(bytes: Uint8Array, entry: Entry): Uint8Array | undefined {
  const text = Buffer.from(bytes).toString('latin1');
  const name = text.indexOf(`"path": ${JSON.stringify(entry.path)}`);
  const begin = text.lastIndexOf('{', name);
  const end = text.indexOf('}', name);
  if (name < 0 || begin < 0 || end < 0) return undefined;
  const { bytes: size, crc32c, path: of } = entry;
  const member = `{"bytes": ${size}, "crc32c": ${JSON.stringify(crc32c)}, "path": ${JSON.stringify(of)}}`;
  return Buffer.from(text.slice(0, begin) + member + text.slice(end + 1), 'latin1');
}
