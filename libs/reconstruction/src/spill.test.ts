import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createSpill, type Slab, type Spill } from './spill.ts';

let folder: string;
let spill: Spill;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-spill-test-'));
  spill = createSpill({ memory: 1000, folder });
});
afterEach(async () => {
  await spill.close();
  await rm(folder, { recursive: true });
});

const write = (slab: Slab, value: number) =>
  slab.use('change', (bytes) => void new Uint8Array(bytes).fill(value));
const first = (slab: Slab) => slab.use('read', (bytes) => new Uint8Array(bytes)[0]);

test('slabs lie in memory as long as there is room, then in a file, and keep what is written to them', async () => {
  const slabs = await Promise.all([400, 400, 400, 200, 1000].map((bytes) => spill.allocate(bytes)));
  expect(slabs.map(({ inMemory }) => inMemory)).toEqual([true, true, false, true, false]);
  expect(spill.used()).toEqual({ memory: 1000, file: 1400 });
  for (const slab of slabs) expect(await first(slab)).toBe(0);
  for (const [i, slab] of slabs.entries()) await write(slab, i + 1);
  for (const [i, slab] of slabs.entries()) expect(await first(slab)).toBe(i + 1);
});

test('room that is released is used again, and begins as zeros', async () => {
  const [inMemory, inFile] = [await spill.allocate(1000), await spill.allocate(500)];
  await write(inMemory, 7);
  await write(inFile, 7);
  inMemory.release();
  inFile.release();
  expect(spill.used()).toEqual({ memory: 0, file: 0 });
  const again = [await spill.allocate(1000), await spill.allocate(500)];
  expect(again.map(({ inMemory: held }) => held)).toEqual([true, false]);
  for (const slab of again) expect(await first(slab)).toBe(0);
});

test('a change that fails leaves what lies in the file as it was', async () => {
  const slab = await spill.allocate(2000);
  await write(slab, 1);
  await expect(
    slab.use('change', (bytes) => {
      new Uint8Array(bytes).fill(2);
      throw new Error('broken');
    }),
  ).rejects.toThrow('broken');
  expect(await first(slab)).toBe(1);
});

test('the file has no name, so that nothing is left behind however the process ends', async () => {
  await write(await spill.allocate(2000), 1);
  expect(await readdir(folder)).toEqual([]);
});

test('a disk without room, or a folder without permission, is an error before anything is written', async () => {
  const noRoom = { kind: 'space', hint: expect.stringContaining('TMPDIR') };
  await expect(spill.allocate(2 ** 52)).rejects.toMatchObject(noRoom);
  const nowhere = createSpill({ memory: 0, folder: path.join(folder, 'none') });
  await expect(nowhere.allocate(10)).rejects.toMatchObject(noRoom);
});

test('a change that is under way when it is closed opens no other file', async () => {
  const slab = await spill.allocate(2000);
  const changing = slab.use('change', () => spill.close());
  await expect(changing).rejects.toMatchObject({ kind: 'cancelled' });
});

test('after it is closed nothing can be read or written, and no file comes back', async () => {
  const slabs = [await spill.allocate(500), await spill.allocate(2000)];
  await spill.close();
  for (const slab of slabs) await expect(write(slab, 1)).rejects.toMatchObject({ kind: 'cancelled' });
  await expect(spill.allocate(10)).rejects.toMatchObject({ kind: 'cancelled' });
});
