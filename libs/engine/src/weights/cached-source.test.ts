import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MemoryObjectStore } from '@esparse/storage';
import { openEngine, type EngineOptions } from '../index.ts';
import { randomModel, writeTestStore } from '../testing/test-store.ts';

const TOKENS = Uint32Array.of(3, 1, 4, 1, 5);

let home: string;
let objects: MemoryObjectStore;
let cacheDirectory: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-cache-'));
  objects = new MemoryObjectStore();
  await writeTestStore(objects, randomModel(), { pattern: { keep: 2, group: 4 } });
  await writeTestStore(objects, randomModel({ tie_word_embeddings: false }), { fingerprint: 'second' });
});
beforeEach(async () => {
  cacheDirectory = await mkdtemp(path.join(home, 'cache-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const open = (options: Partial<EngineOptions> = {}) =>
  openEngine({ store: objects, run: 'abcdef0123456789', cacheDirectory, kvBytes: 1 << 22, ...options });

/** The logits after some tokens, of an engine that is closed then. */
async function answer(options: Partial<EngineOptions> = {}): Promise<number[]> {
  const engine = await open(options);
  const part = { sequence: engine.reserve(5)!, tokens: TOKENS, want: 'lastLogits' } as const;
  const [logits] = await engine.step([part]);
  const copy = [...logits];
  await engine.close();
  return copy;
}

/** The arrays in the cache and their times. */
async function files(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const entry of await readdir(cacheDirectory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile() && !entry.name.startsWith('.')) found.set(file, (await stat(file)).ctimeMs);
  }
  return found;
}

const used = async () =>
  [...(await files()).keys()].reduce(
    async (sum, file) => (await sum) + (await stat(file)).size,
    Promise.resolve(0),
  );

test('a store that is not on a disk has a cache where caches are, and gives the same answers as from files', async () => {
  const store = path.join(home, 'files');
  await writeTestStore(store, randomModel(), { pattern: { keep: 2, group: 4 } });
  const direct = await answer({ store, cacheDirectory: undefined });
  expect(await answer()).toEqual(direct);
  const { XDG_CACHE_HOME: before } = process.env;
  process.env.XDG_CACHE_HOME = path.join(home, 'caches');
  expect(await answer({ cacheDirectory: undefined })).toEqual(direct);
  expect(await readdir(path.join(home, 'caches/esparse'))).toEqual(['abcdef0123456789']);
  if (before === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = before;
  expect(await answer({ store, cacheDirectory: path.join(home, 'of files') })).toEqual(direct);
});

test('the cache is filled once, and nothing but arrays is left in it', async () => {
  const first = await answer();
  const before = await files();
  expect(before.size).toBeGreaterThan(10);
  expect(await answer()).toEqual(first);
  expect(await files()).toEqual(before);
  const rest = (await readdir(cacheDirectory, { recursive: true })).filter((name) =>
    path.basename(name).startsWith('.'),
  );
  expect(rest).toEqual([]);
});

test('a file of another size is filled in again; one of other bytes too, where it is verified', async () => {
  const first = await answer();
  const [file] = [...(await files()).keys()].filter((name) => name.includes('values'));
  const bytes = await readFile(file!);
  await truncate(file!, 10);
  expect(await answer()).toEqual(first);
  expect(await readFile(file!)).toEqual(bytes);
  await writeFile(
    file!,
    bytes.map((byte) => byte ^ 1),
  );
  expect(await answer()).not.toEqual(first);
  expect(await answer({ verify: 'full' })).toEqual(first);
});

test('damage in the store is not cached', async () => {
  const damaged = new MemoryObjectStore();
  for (const [key, bytes] of objects.objects) damaged.objects.set(key, bytes);
  const key = [...damaged.objects.keys()].find((name) => /abcdef.*blocks\/1\/.*values\/c\//.test(name))!;
  damaged.objects.set(
    key,
    damaged.objects.get(key)!.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
  );
  await expect(open({ store: damaged })).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringMatching(/block 1/),
  });
});

test('runs that are not in use make room, those in use stay', async () => {
  await answer();
  const first = await used();
  const engine = await open({ run: 'second' });
  const both = await used();
  await engine.close();
  await rm(path.join(cacheDirectory, 'abcdef0123456789'), { recursive: true });
  // The second run is there; the first fits beside it only if it goes.
  const holder = await open({ run: 'second' });
  await expect(open({ cacheBytes: both - 1 })).rejects.toMatchObject({ kind: 'space' });
  await holder.close();
  await (await open({ cacheBytes: both - 1 })).close();
  expect(await used()).toBe(first);
  expect(await readdir(cacheDirectory)).toEqual(['abcdef0123456789']);
});

test('a mark of a process that died long ago holds nothing', async () => {
  await answer();
  const mark = path.join(cacheDirectory, 'abcdef0123456789', '.use-1-x');
  await writeFile(mark, '');
  await expect(open({ run: 'second', cacheBytes: (await used()) + 100 })).rejects.toMatchObject({
    kind: 'space',
  });
  const long = new Date(Date.now() - 120_000);
  await utimes(mark, long, long);
  const bytes = await used();
  await (await open({ run: 'second', cacheBytes: bytes * 4 })).close();
  await expect(stat(mark)).rejects.toMatchObject({ code: 'ENOENT' });
});
