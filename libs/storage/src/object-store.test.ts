import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import fc from 'fast-check';
import { MemoryObjectStore } from './memory-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { openObjects } from './open.ts';

let home: string;
let server: S3Server;
let made = 0;
const environment = { ...process.env };
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-objects-'));
  server = await startS3Server();
  Object.assign(process.env, server.environment);
});
afterAll(async () => {
  process.env = environment;
  await Promise.all([server.stop(), rm(home, { recursive: true, force: true })]);
});

const folder = fc
  .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 2 })
  .map((parts) => parts.join('/'));
const key = fc.tuple(folder, fc.constantFrom('x', 'y')).map((parts) => parts.join('/'));
const change = fc.oneof(
  fc.record({ put: key, bytes: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ delete: key }),
  fc.record({ deletePrefix: folder }),
);

async function keysOf(store: ObjectStore, below: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const name of store.list(below)) keys.push(name);
  return keys.sort();
}

/** Laws of every object store, whatever it is made of. */
describe.each<{ where: string; runs: number; make: () => Promise<ObjectStore> }>([
  { where: 'memory', runs: 50, make: () => Promise.resolve(new MemoryObjectStore()) },
  { where: 'a folder', runs: 50, make: () => openObjects(path.join(home, String(++made))) },
  { where: 'S3', runs: 15, make: () => openObjects(`s3://${server.bucket}/laws/${++made}`) },
])('$where', ({ where, runs, make }) => {
  test('it says when an object was written, where its medium does', async () => {
    const store = await make();
    expect(await store.written('a/x')).toBeUndefined();
    await store.put('a/x', [Uint8Array.of(1)]);
    const age = Date.now() - ((await store.written('a/x'))?.getTime() ?? Number.NaN);
    if (where === 'memory') expect(age).toBeNaN();
    else expect(Math.abs(age)).toBeLessThan(60_000);
  });

  test('it behaves as a map of keys to bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        const store = await make();
        const model = new Map<string, number[]>();
        for (const step of changes) {
          if ('delete' in step) {
            await store.delete(step.delete);
            model.delete(step.delete);
          } else if ('deletePrefix' in step) {
            await store.deletePrefix(step.deletePrefix);
            for (const name of model.keys()) if (name.startsWith(`${step.deletePrefix}/`)) model.delete(name);
          } else {
            await store.put(step.put, [step.bytes.subarray(0, 3), step.bytes.subarray(3)]);
            model.set(step.put, [...step.bytes]);
          }
        }
        for (const below of ['', 'a', 'b/a']) {
          const expected = [...model.keys()].filter((name) => below === '' || name.startsWith(`${below}/`));
          expect(await keysOf(store, below)).toEqual(expected.sort());
          const parts = expected.map((name) => name.slice(below === '' ? 0 : below.length + 1).split('/'));
          // The test server passes over a folder that holds nothing but folders.
          const named = parts.filter(({ length }) => where !== 'S3' || length <= 2);
          // Folders may outlive their objects.
          expect(await store.children(below)).toEqual(expect.arrayContaining(named.map(([name]) => name)));
        }
        for (const [name, bytes] of model) {
          expect([...(await store.get(name))!]).toEqual(bytes);
          expect(await store.size(name)).toBe(bytes.length);
        }
      }),
      { seed: 4, numRuns: runs },
    );
  });

  test('removing what is not there is no error, and a whole store is never removed', async () => {
    const store = await make();
    await store.put('x', [new Uint8Array(1)]);
    for (const absent of ['q', 'q/r', 'x/y']) {
      await store.delete(absent);
      await store.deletePrefix(absent);
    }
    await expect(store.deletePrefix('')).rejects.toMatchObject({ kind: 'internal' });
    expect(await store.size('x')).toBe(1);
  });

  test('a range is cut at the end of the object, and absent objects are undefined', async () => {
    const store = await make();
    await store.put('x/y', [Uint8Array.from([1, 2, 3]), new Uint8Array(0), Uint8Array.from([4])]);
    expect([...(await store.getRange('x/y', 1, 2))!]).toEqual([2, 3]);
    expect([...(await store.getRange('x/y', 3, 100))!]).toEqual([4]);
    expect([...(await store.getRange('x/y', 9, 100))!]).toEqual([]);
    expect(await store.size('x/y')).toBe(4);
    for (const absent of ['x/z', 'x/y/z', 'q/r']) {
      expect(await store.get(absent)).toBeUndefined();
      expect(await store.open(absent)).toBeUndefined();
      expect(await store.size(absent)).toBeUndefined();
    }
    await expect(store.get('x/y', AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('an open object is read at any place, and tells where it ends too early', async () => {
    const store = await make();
    await store.put('x', [Uint8Array.from([1, 2, 3, 4])]);
    const source = (await store.open('x'))!;
    const target = new Uint8Array(2);
    expect(source.size).toBe(4);
    expect(await source.readInto(2, target)).toBe(true);
    expect([...target]).toEqual([3, 4]);
    expect(await source.readInto(3, target)).toBe(false);
    expect(await source.readInto(4, new Uint8Array(0))).toBe(true);
    await source.close();
  });

  test('an object that is replaced while it is open is never read as a mixture', async () => {
    const store = await make();
    const length = 1024 * 1024;
    await store.put('x', [new Uint8Array(length).fill(1)]);
    const source = (await store.open('x'))!;
    await store.put('x', [new Uint8Array(length).fill(2)]);
    const target = new Uint8Array(length);
    const read = await source.readInto(0, target).catch((error: unknown) => error);
    if (read === true) expect(target.every((byte) => byte === 1)).toBe(true);
    else expect(read).toMatchObject({ kind: 'store', message: expect.stringContaining('was replaced') });
    await source.close();
  });

  test('keys that are not portable are refused, to read and to write', async () => {
    const store = await make();
    for (const bad of ['../x', '/x', 'a//b', 'a b', '.esparse-writer.json']) {
      const refused = { kind: 'store', message: expect.stringContaining('the key') };
      await expect(store.get(bad)).rejects.toMatchObject(refused);
      await expect(store.put(bad, [new Uint8Array(1)])).rejects.toMatchObject(refused);
    }
  });

  test('what only some can do has a default: a write of what is new, flushing, cleaning up, leftovers', async () => {
    const store = await make();
    const lease = await store.lock();
    expect(lease.lost).toBeUndefined();
    await store.putIf('a/x', Uint8Array.of(1), undefined);
    await store.putIf('a/x', Uint8Array.of(2), await store.version('a/x'));
    await store.sync(['a', '']);
    await store.cleanUp('a');
    for await (const { object } of store.temporaries(true, 'a')) expect(object).toBe('nothing');
    expect([...(await store.get('a/x'))!]).toEqual([2]);
    await lease.release();
    expect(await keysOf(store, '')).toEqual(['a/x']);
  });
});
