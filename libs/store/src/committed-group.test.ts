import { open, truncate } from 'node:fs/promises';
import path from 'node:path';
import { MemoryObjectStore } from '@esparse/storage';
import { openGroup } from './committed-group.ts';
import { PIECE_BYTES } from './limits.ts';
import { entryOf } from './manifest.ts';
import { sealedGroup } from './sealed-document.ts';
import { createOrOpenStore } from './store.ts';
import { inTemporaryFolder } from '@esparse/laws';

const ARRAY = {
  zarr_format: 3,
  node_type: 'array',
  shape: [4],
  data_type: 'uint8',
  chunk_grid: { name: 'regular', configuration: { chunk_shape: [4] } },
  chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
  codecs: [{ name: 'bytes', configuration: { endian: 'little' } }, { name: 'crc32c' }],
  fill_value: 0,
  attributes: {},
};
const CHUNK = { path: 'x/c/0', bytes: 8, crc32c: '00000000' };

/** A group as an attacker would write it: well sealed, of any content. */
async function hostileGroup(array: object, chunks: object[] = [CHUNK]): Promise<MemoryObjectStore> {
  const objects = new MemoryObjectStore();
  const metadata = Buffer.from(JSON.stringify(array));
  await objects.put('g/x/zarr.json', [metadata]);
  await objects.put('g/x/c/0', [new Uint8Array(8)]);
  await objects.put('g/zarr.json', [
    sealedGroup({ objects: [...chunks, entryOf('x/zarr.json', metadata)] }, 'g'),
  ]);
  return objects;
}

const huge = { ...ARRAY.chunk_grid, configuration: { chunk_shape: [2 ** 40] } };

test.each([
  ['a shape larger than any memory', { ...ARRAY, shape: [2 ** 40], chunk_grid: huge }, [CHUNK]],
  ['a shape that its object does not have', { ...ARRAY, data_type: 'float32' }, [CHUNK]],
  ['a negative shape', { ...ARRAY, shape: [-4] }, [CHUNK]],
  [
    'several chunks',
    { ...ARRAY, chunk_grid: { name: 'regular', configuration: { chunk_shape: [2] } } },
    [CHUNK],
  ],
  ['a compressor', { ...ARRAY, codecs: [...ARRAY.codecs, { name: 'gzip' }] }, [CHUNK]],
  ['no checksum', { ...ARRAY, codecs: [ARRAY.codecs[0]] }, [CHUNK]],
  ['another dtype', { ...ARRAY, data_type: 'float64' }, [CHUNK]],
  ['a node of no kind', { zarr_format: 3 }, [CHUNK]],
  ['a path out of the group', ARRAY, [{ ...CHUNK, path: '../../etc/passwd' }]],
  ['an object of no array', ARRAY, [CHUNK, { ...CHUNK, path: 'y/c/0' }]],
  ['an object listed twice', ARRAY, [CHUNK, CHUNK]],
  ['no chunk', ARRAY, []],
])('a group with %s is refused before anything is allocated', async (_name, array, chunks) => {
  const objects = await hostileGroup(array, chunks);
  await expect(openGroup(objects, 'g', 'the group')).rejects.toMatchObject({ kind: 'store' });
});

test('an array whose object has another size than its shape is refused when it is read', async () => {
  const objects = await hostileGroup(ARRAY);
  await objects.put('g/x/c/0', [new Uint8Array(80)]);
  const group = await openGroup(objects, 'g', 'the group');
  const memory = jest.fn((bytes: number) => new Uint8Array(bytes));
  for (const reading of [group.read('x'), group.readAs('x', 'uint8', undefined, memory)]) {
    await expect(reading).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('80 bytes instead of 8'),
    });
  }
  expect(memory).not.toHaveBeenCalled();
});

test('what is not there is an error that says what is', async () => {
  const group = await openGroup(await hostileGroup(ARRAY), 'g', 'block 0');
  await expect(group.read('y')).rejects.toMatchObject({
    message: 'block 0: there is no array y',
    hint: 'it has x',
  });
  await expect(group.readAs('x', 'float32')).rejects.toMatchObject({
    message: 'block 0: array x is of uint8, not float32',
  });
  expect(() => group.groupAttributes('y')).toThrow('no group y');
  expect('chunkFile' in group).toBe(false);
});

test('a chunk that is sound, but of another array, is refused', async () => {
  const objects = new MemoryObjectStore();
  const writer = await (await createOrOpenStore(objects)).beginRun('a1', {});
  const block = writer.beginBlock(0);
  for (const name of ['x', 'y']) {
    await block.putArray(name, { data: Uint8Array.from(Buffer.from(name)), shape: [1] });
  }
  await block.commit({});
  await objects.put('runs/a1/blocks/0/x/c/0', [objects.objects.get('runs/a1/blocks/0/y/c/0')!]);
  await expect((await writer.run.block(0)).read('x')).rejects.toMatchObject({
    message: expect.stringContaining('array x is damaged'),
  });
  await writer.close();
});

test('a file that was cut is found when the group is opened, before anyone maps it', async () => {
  await inTemporaryFolder(async (root) => {
    const writer = await (await createOrOpenStore(root)).beginRun('a1', {});
    const block = writer.beginBlock(0);
    await block.putArray('x', { data: new Uint8Array(100), shape: [100] });
    await block.putArray('none', { data: new Uint8Array(0), shape: [0] });
    await block.commit({});
    await writer.close();
    const group = await writer.run.block(0);
    expect(() => group.chunkFile?.('none')).toThrow('no elements');
    await truncate(path.join(root, 'runs/a1/blocks/0/x/c/0'), 50);
    await expect(writer.run.block(0)).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('the data of array x has 50 bytes instead of 104'),
    });
  });
});

test('an array of many pieces reads back, and a flip in any piece is found', async () => {
  await inTemporaryFolder(async (root) => {
    const writer = await (await createOrOpenStore(root)).beginRun('a1', {});
    const data = new Uint16Array(3.25 * PIECE_BYTES);
    for (let i = 0; i < data.length; i += 1000) data[i] = i * 31;
    const block = writer.beginBlock(0);
    await block.putArray('x', { data, shape: [data.length] });
    await block.commit({});
    await writer.close();
    const group = await writer.run.block(0);
    const stored = await group.readAs('x', 'uint16');
    const memory = new Uint16Array(data.length);
    expect((await group.readInto('x', memory)).data).toBe(memory);
    const given = await group.readAs(
      'x',
      'uint16',
      undefined,
      (bytes) => new Uint8Array(memory.buffer, 0, bytes),
    );
    expect(given.data.buffer).toBe(memory.buffer);
    expect(Buffer.compare(Buffer.from(memory.buffer), Buffer.from(data.buffer))).toBe(0);
    for (const unfit of [new Uint16Array(1), new Int32Array(data.length)]) {
      await expect(group.readInto('x', unfit)).rejects.toMatchObject({ kind: 'usage' });
    }
    expect(Buffer.compare(Buffer.from(stored.data.buffer), Buffer.from(data.buffer))).toBe(0);
    await expect(group.read('x', AbortSignal.timeout(0))).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(await writer.run.verify()).toEqual([]);

    const file = await open(path.join(root, 'runs/a1/blocks/0/x/c/0'), 'r+');
    const end = data.byteLength + 4;
    for (const at of [0, PIECE_BYTES, 6 * PIECE_BYTES + 1, end - 5, end - 1]) {
      const byte = new Uint8Array(1);
      await file.read(byte, 0, 1, at);
      await file.write(Uint8Array.from([byte[0]! ^ 1]), 0, 1, at);
      await expect(group.read('x')).rejects.toMatchObject({ message: expect.stringContaining('checksum') });
      expect(await writer.run.verify()).toMatchObject([{ problem: 'checksum', block: 0 }]);
      await file.write(byte, 0, 1, at);
    }
    await file.close();
  });
});
