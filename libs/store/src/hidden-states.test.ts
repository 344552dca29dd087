import { MemoryObjectStore, openObjects } from '@esparse/storage';
import { hiddenStates } from './hidden-states.ts';
import { inTemporaryFolder, treeOf } from '@esparse/laws';

const shard = (value: number, shape = [2, 3, 4]) => ({
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  shape,
});

test('a shard reads back as it was written, and is listed until it is removed', async () => {
  await inTemporaryFolder(async (root) => {
    const { hidden } = hiddenStates(await openObjects(root), 'runs/a1');
    for (const s of [10, 2, 0]) await hidden.write(1, s, shard(s));
    await hidden.write(0, 0, shard(3));
    await hidden.write(2, 0, shard(7));
    expect(await hidden.shards(1)).toEqual([0, 2, 10]);
    expect(await hidden.read(1, 10)).toEqual(shard(10));
    await hidden.removeBefore(2);
    expect(await hidden.shards(0)).toEqual([]);
    expect(await hidden.shards(1)).toEqual([]);
    expect(await hidden.shards(2)).toEqual([0]);
    await hidden.removeAll();
    expect([...(await treeOf(root)).keys()]).toEqual(['runs', 'runs/a1']);
  });
});

test('the dense model’s hidden states lie beside the others, and go by themselves', async () => {
  const { hidden, hiddenDense } = hiddenStates(new MemoryObjectStore(), 'runs/a1');
  for (const block of [1, 2]) {
    await hidden.write(block, 0, shard(block));
    await hiddenDense.write(block, 0, shard(-block));
  }
  expect([await hidden.read(1, 0), await hiddenDense.read(1, 0)]).toEqual([shard(1), shard(-1)]);
  await hiddenDense.removeBefore(2);
  expect([await hidden.shards(1), await hiddenDense.shards(1), await hiddenDense.shards(2)]).toEqual([
    [0],
    [],
    [0],
  ]);
  await expect(hiddenDense.read(1, 0)).rejects.toThrow("the dense model's hidden states of block 1, shard 0");
  await hidden.removeAll();
  expect(await hiddenDense.shards(2)).toEqual([0]);
});

test('a shard may be written again, by several workers at once, and is always whole', async () => {
  await inTemporaryFolder(async (root) => {
    const stores = await Promise.all([openObjects(root), openObjects(root)]);
    const workers = stores.map((objects) => hiddenStates(objects, 'runs/a1').hidden);
    await workers[0]!.write(0, 0, shard(1, [16, 64, 64]));
    const write = Promise.all(
      workers.map(async (hidden) => {
        for (let i = 0; i < 8; i++) await hidden.write(0, 0, shard(1, [16, 64, 64]));
      }),
    );
    for (let i = 0; i < 20; i++) expect((await workers[0]!.read(0, 0)).data[65535]).toBe(1);
    await write;
  });
});

test('a shard of another shape replaces the old one', async () => {
  const { hidden } = hiddenStates(new MemoryObjectStore(), 'runs/a1');
  await hidden.write(0, 0, shard(1));
  await hidden.write(0, 0, shard(2, [4, 3, 1]));
  expect(await hidden.read(0, 0)).toEqual(shard(2, [4, 3, 1]));
});

test('a missing or damaged shard is an error that names block and shard, for a flip of any byte', async () => {
  const objects = new MemoryObjectStore();
  const { hidden } = hiddenStates(objects, 'runs/a1');
  const named = { kind: 'store', message: expect.stringMatching(/block 3, shard 1|hidden\/3\/1/) };
  await expect(hidden.read(3, 1)).rejects.toMatchObject(named);
  await hidden.write(3, 1, shard(1));
  for (const bytes of objects.objects.values()) {
    for (let i = 0; i < bytes.byteLength; i++) {
      bytes[i]! ^= 4;
      await expect(hidden.read(3, 1)).rejects.toMatchObject(named);
      bytes[i]! ^= 4;
    }
  }
  expect(await hidden.read(3, 1)).toEqual(shard(1));
});

test('hostile numbers of blocks and shards reach no key', async () => {
  const { hidden } = hiddenStates(new MemoryObjectStore(), 'runs/a1');
  for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
    await expect(hidden.read(bad, 0)).rejects.toMatchObject({ kind: 'usage' });
    await expect(hidden.write(0, bad, shard(1))).rejects.toMatchObject({ kind: 'usage' });
  }
});

test('bf16 comes back as it was stored, or widened', async () => {
  const objects = new MemoryObjectStore();
  const { hidden } = hiddenStates(objects, 'runs/a1');
  const rounded = { data: Uint16Array.of(0x3f80, 0xc040, 0, 0x7f80), shape: [1, 2, 2] };
  await hidden.write(0, 0, rounded);
  expect(await hidden.readStored(0, 0)).toEqual(rounded);
  expect(await hidden.read(0, 0)).toEqual({ data: Float32Array.of(1, -3, 0, Infinity), shape: [1, 2, 2] });
  await hidden.write(0, 0, { data: Float32Array.of(1, 2, 3, 4), shape: [1, 2, 2] });
  expect(await hidden.readStored(0, 0)).toEqual(await hidden.read(0, 0));
});
