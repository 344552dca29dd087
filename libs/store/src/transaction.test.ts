import { EsparseError } from '@esparse/errors';
import { MemoryObjectStore } from '@esparse/storage';
import { createOrOpenStore, openStore } from './store.ts';
import { FailingObjectStore } from './testing/failing-object-store.ts';
import { contentsOf, onEveryMedium } from './testing/media.ts';
import {
  putSampleBlock,
  SAMPLE_ATTRIBUTES,
  SAMPLE_BLOCKS,
  SAMPLE_FINGERPRINT,
  writeSampleRun,
} from './testing/sample-run.ts';

onEveryMedium(({ name, make, again }) => {
  test('a crash at any change leaves every block whole or absent, and a resume makes the same bytes', async () => {
    const sound = await make();
    const counting = new FailingObjectStore(sound, Number.POSITIVE_INFINITY, false);
    await writeSampleRun(await createOrOpenStore(counting));
    expect(counting.changes).toBeGreaterThan(50);
    const contents = await contentsOf(sound);
    // Where every request takes its time, some of the changes.
    const step = { memory: 1, files: 7, S3: 61 }[name];
    for (let failAt = 1; failAt <= counting.changes; failAt += step) {
      for (const happens of [false, true]) {
        const place = await make();
        const run = async () =>
          writeSampleRun(await createOrOpenStore(new FailingObjectStore(place, failAt, happens)));
        await expect(run()).rejects.toThrow('the process died');

        const found = await again(place);
        if ((await found.size(`runs/${SAMPLE_FINGERPRINT}/zarr.json`)) !== undefined) {
          const reader = await (await openStore(found)).openRun(SAMPLE_FINGERPRINT);
          for (let k = 0; k < SAMPLE_BLOCKS; k++) {
            if (!(await reader.isCommitted(k))) continue;
            const block = await reader.block(k);
            for (const path of block.arrays.keys()) await block.read(path);
            expect(block.arrays.size).toBe(6);
          }
        }

        const resumed = await writeSampleRun(await createOrOpenStore(found));
        expect(await resumed.verify()).toEqual([]);
        expect(await contentsOf(found)).toEqual(contents);
      }
    }
  });

  test('what is committed is never overwritten, by this writer or the next', async () => {
    const place = await make();
    const committed = { kind: 'store', message: expect.stringContaining('block 0 is committed already') };
    for (let attempt = 0; attempt < 2; attempt++) {
      const writer = await (await createOrOpenStore(await again(place))).beginRun('a1', SAMPLE_ATTRIBUTES);
      if (attempt === 0) {
        const block = writer.beginBlock(0);
        await putSampleBlock(block, 0);
        expect(await block.commit({})).toEqual({ objects: 13, bytes: expect.any(Number) });
      }
      expect(() => writer.beginBlock(0)).toThrow(expect.objectContaining(committed) as Error);
      await writer.close();
    }
  });

  test('left-overs of a crashed attempt go when the block is begun again; aborted work goes at once', async () => {
    const objects = await make();
    const keysWith = async (part: string) =>
      [...(await contentsOf(objects)).keys()].filter((key) => key.includes(part));
    const store = await createOrOpenStore(objects);
    // What a killed writer leaves: one that closes takes it back.
    await objects.put('runs/a1/blocks/0/old/c/0', [new Uint8Array(7)]);
    const second = await store.beginRun('a1', {});
    const block = second.beginBlock(0);
    await block.putArray('new', { data: new Uint8Array(3), shape: [3] });
    expect(await keysWith('old')).toEqual([]);
    await block.abort();
    expect(await keysWith('blocks/0')).toEqual([]);
    const again = second.beginBlock(0);
    await again.putArray('new', { data: new Uint8Array(3), shape: [3] });
    await again.commit({});
    expect(await second.run.committedBlocks()).toEqual([0]);
    await second.close();
  });

  test('arrays can be put concurrently; committing before they are in is refused', async () => {
    const writer = await (await createOrOpenStore(await make())).beginRun('a1', {});
    const block = writer.beginBlock(0);
    const puts = Array.from({ length: 20 }, (_, i) =>
      block.putArray(`x${i}/values`, { data: new Uint16Array(100).fill(i), shape: [100] }),
    );
    await expect(block.commit({})).rejects.toThrow('before all arrays were put');
    await Promise.all(puts);
    await block.commit({});
    const stored = await writer.run.block(0);
    for (let i = 0; i < 20; i++) expect((await stored.read(`x${i}/values`)).data[99]).toBe(i);
    await writer.close();
  });
});

test('the commit is put last, after everything it lists was flushed', async () => {
  const log: string[] = [];
  class Recording extends MemoryObjectStore {
    override async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
      log.push(key);
      await super.put(key, parts);
    }
    override async sync(folders: readonly string[]): Promise<void> {
      log.push('sync');
      await super.sync(folders);
    }
  }
  const writer = await (await createOrOpenStore(new Recording())).beginRun('a1', {});
  const block = writer.beginBlock(0);
  await block.putArray('q_proj/values', { data: new Uint16Array(4), shape: [4] });
  log.length = 0;
  await block.putArray('up', { data: new Uint16Array(4), shape: [4] });
  await block.commit({});
  await writer.close();
  const at = 'runs/a1/blocks/0/';
  expect(log).toEqual([
    `${at}up/zarr.json`,
    `${at}up/c/0`,
    `${at}q_proj/zarr.json`,
    'sync',
    `${at}zarr.json`,
    'sync',
  ]);
});

test('a failed put closes the transaction to everything but abort', async () => {
  const objects = new MemoryObjectStore();
  const writer = await (await createOrOpenStore(objects)).beginRun('a1', {});
  const block = writer.beginBlock(0);
  const full = new EsparseError('space', 'no space left on the device');
  const put = objects.put.bind(objects);
  objects.put = () => Promise.reject(full);
  const array = { data: new Uint8Array(3), shape: [3] };
  await expect(block.putArray('x', array)).rejects.toBe(full);
  objects.put = put;
  await expect(block.putArray('y', array)).rejects.toMatchObject({ kind: 'internal' });
  await expect(block.commit({})).rejects.toMatchObject({
    kind: 'internal',
    hint: expect.stringContaining('abort'),
  });
  expect(() => writer.beginBlock(0)).toThrow('written already');
  await block.abort();
  expect(await writer.run.isCommitted(0)).toBe(false);
  writer.beginBlock(0);
  await writer.close();
});

test('what cannot be taken back hides no error, neither of an abort nor of a writer that closes', async () => {
  const objects = new MemoryObjectStore();
  const writer = await (await createOrOpenStore(objects)).beginRun('a1', {});
  const readOnly = new EsparseError('store', 'its file system is read-only');
  for (const k of [0, 1]) {
    const block = writer.beginBlock(k);
    await block.putArray('x', { data: new Uint8Array(3), shape: [3] });
    if (k === 0) {
      objects.deletePrefix = () => Promise.reject(readOnly);
      await expect(block.abort()).resolves.toBeUndefined();
      Reflect.deleteProperty(objects, 'deletePrefix');
    }
  }
  objects.deletePrefix = () => Promise.reject(readOnly);
  await expect(writer.close()).resolves.toBeUndefined();
  Reflect.deleteProperty(objects, 'deletePrefix');
  // What was left is removed before the block is written again.
  const next = await (await createOrOpenStore(objects)).beginRun('a1', {});
  const again = next.beginBlock(0);
  await again.putArray('y', { data: new Uint8Array(3), shape: [3] });
  await again.commit({});
  expect((await next.run.verify()).map(({ object }) => object)).toEqual([]);
  await next.close();
});

test.each([
  ['a path put twice', ['a', 'a']],
  ['an array below an array', ['a', 'a/b']],
  ['an array above an array', ['a/b', 'a']],
  ['a name of Zarr', ['a/zarr.json']],
])('%s is refused', async (_name, paths) => {
  const writer = await (await createOrOpenStore(new MemoryObjectStore())).beginRun('a1', {});
  const block = writer.beginBlock(0);
  const put = async (): Promise<void> => {
    for (const path of paths) await block.putArray(path, { data: new Uint8Array(1), shape: [1] });
  };
  await expect(put()).rejects.toMatchObject({ kind: 'usage', message: expect.stringContaining('block 0') });
  await writer.close();
});

test('an array whose shape does not fit its data is refused, naming it', async () => {
  const writer = await (await createOrOpenStore(new MemoryObjectStore())).beginRun('a1', {});
  for (const shape of [[5], [-1, -4], [0.5, 8], Array.from({ length: 9 }, () => 1)]) {
    const block = writer.beginBlock(0);
    await expect(block.putArray('x/y', { data: new Uint8Array(4), shape })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('array x/y'),
    });
    await block.abort();
  }
  await writer.close();
});
test('a closed writer writes nothing', async () => {
  const writer = await (await createOrOpenStore(new MemoryObjectStore())).beginRun('a1', {});
  const block = writer.beginBlock(0);
  await writer.close();
  expect(() => writer.beginBlock(1)).toThrow('closed');
  await expect(block.putArray('x', { data: new Uint8Array(1), shape: [1] })).rejects.toThrow('aborted');
  await expect(writer.putObjects('tokenizer', new Map())).rejects.toThrow('closed');
  await expect(writer.finish({ blocks: 0 })).rejects.toThrow('closed');
});

test('a writer that lost its lock writes no more', async () => {
  const objects = new MemoryObjectStore();
  const lost = new EsparseError('locked', 'the lock was lost');
  const lease: { lost: EsparseError | undefined; release: () => Promise<void> } = {
    lost: undefined,
    release: () => Promise.resolve(),
  };
  const locking = Object.assign(objects, { lock: () => Promise.resolve(lease) });
  const writer = await (await createOrOpenStore(locking)).beginRun('a1', {});
  const block = writer.beginBlock(0);
  await block.putArray('x', { data: new Uint8Array(1), shape: [1] });
  lease.lost = lost;
  await expect(block.commit({})).rejects.toBe(lost);
  expect(await writer.run.isCommitted(0)).toBe(false);
  await writer.close();
});

test('a writer that closes takes back what it has not committed, before the next one may begin', async () => {
  const objects = new MemoryObjectStore();
  const order: string[] = [];
  const lock = () =>
    Promise.resolve({ lost: undefined, release: () => Promise.resolve(void order.push('released')) });
  const deletePrefix = async (folder: string) => {
    await MemoryObjectStore.prototype.deletePrefix.call(objects, folder);
    order.push(`removed ${folder}`);
  };
  const store = await createOrOpenStore(Object.assign(objects, { lock }));
  const writer = await store.beginRun('a1', {});
  await writer.beginBlock(0).putArray('x', { data: new Uint8Array(3), shape: [3] });
  Object.assign(objects, { deletePrefix });
  await writer.close();
  expect(order).toEqual(['removed runs/a1/blocks/0', 'released']);
});

test("a writer that has lost its lock removes nothing: the folder may be the next writer's", async () => {
  const objects = new MemoryObjectStore();
  const lease = { lost: undefined as EsparseError | undefined, release: () => Promise.resolve() };
  const store = await createOrOpenStore(Object.assign(objects, { lock: () => Promise.resolve(lease) }));
  const writer = await store.beginRun('a1', {});
  const block = writer.beginBlock(0);
  await block.putArray('x', { data: new Uint8Array(3), shape: [3] });
  const before = [...objects.objects.keys()];
  lease.lost = new EsparseError('locked', 'lost');
  await block.abort();
  expect([...objects.objects.keys()]).toEqual(before);
});
