import fc from 'fast-check';
import { openCheckpointIn } from './checkpoint.ts';
import { memoryFolder } from './testing/memory-folder.ts';
import { rawSafetensors } from './testing/raw-safetensors.ts';

const ROWS = 50;
const COLUMNS = 3;

async function open() {
  const data = Uint8Array.from({ length: ROWS * COLUMNS * 2 }, (_, i) => i % 251);
  const end = data.length;
  const header = {
    w: { dtype: 'F16', shape: [ROWS, COLUMNS], data_offsets: [0, end] },
    v: { dtype: 'F32', shape: [2], data_offsets: [end, end + 8] },
    s: { dtype: 'F32', shape: [], data_offsets: [end + 8, end + 12] },
    none: { dtype: 'F32', shape: [4, 0], data_offsets: [end + 12, end + 12] },
  };
  const folder = memoryFolder({
    'config.json': '{}',
    'model.safetensors': rawSafetensors(header, Buffer.concat([data, Buffer.alloc(12)])),
  });
  const checkpoint = await openCheckpointIn(folder);
  return {
    folder,
    checkpoint,
    row: (r: number) => [...data.subarray(r * COLUMNS * 2, (r + 1) * COLUMNS * 2)],
  };
}

test('gathered rows are the rows asked for, in order, and no byte is read twice', async () => {
  const { folder, checkpoint, row } = await open();
  const someRows = fc.array(fc.nat(ROWS - 1), { maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(someRows, async (rows) => {
      folder.reads.length = 0;
      const bytes = await checkpoint.readRows('w', Uint32Array.from(rows));
      expect([...bytes]).toEqual(rows.flatMap(row));
      const read = folder.reads.reduce((sum, [, , length]) => sum + length, 0);
      expect(read).toBe(new Set(rows).size * COLUMNS * 2);
    }),
    { seed: 2 },
  );
});

test('neighbouring rows share a read, and reads under way are bounded', async () => {
  const { folder, checkpoint } = await open();
  folder.reads.length = 0;
  await checkpoint.readRows('w', Uint32Array.of(7, 5, 6, 6, 20));
  expect(folder.reads.length).toBe(2);
  await checkpoint.readRows(
    'w',
    Uint32Array.from({ length: 25 }, (_, i) => 2 * i),
  );
  expect(folder.mostAtOnce).toBe(8);
});

test('neighbouring rows are not read in one when that would be much', async () => {
  const rows = 5;
  const columns = 300_000;
  const header = { big: { dtype: 'F16', shape: [rows, columns], data_offsets: [0, rows * columns * 2] } };
  const files = { 'config.json': '{}', 'model.safetensors': rawSafetensors(header, rows * columns * 2) };
  const folder = memoryFolder(files);
  const checkpoint = await openCheckpointIn(folder);
  folder.reads.length = 0;
  await checkpoint.readRows('big', Uint32Array.of(0, 1, 2, 3, 4));
  expect(folder.reads.length).toBe(5);
});

test('rows of nothing are nothing', async () => {
  const { checkpoint } = await open();
  expect(await checkpoint.readRows('none', Uint32Array.of(3, 0))).toEqual(new Uint8Array(0));
  expect(await checkpoint.readRows('w', new Uint32Array(0))).toEqual(new Uint8Array(0));
  expect(await checkpoint.readRowRange('w', 50, 50)).toEqual(new Uint8Array(0));
});

test('a row outside the tensor, and a tensor without such rows, are refused by name', async () => {
  const { checkpoint } = await open();
  await expect(checkpoint.readRows('w', Uint32Array.of(1, 50))).rejects.toMatchObject({
    kind: 'usage',
    message: 'row 50 of tensor w, which has 50 rows',
  });
  await expect(checkpoint.readRows('v', Uint32Array.of(0))).rejects.toThrow(
    'rows are gathered of 2-D tensors, and v is [2]',
  );
  await expect(checkpoint.readRowRange('s', 0, 1)).rejects.toThrow('tensor s is a scalar');
});

test.each([
  [-1, 2],
  [2, 1],
  [0, 51],
  [0.5, 1],
  [NaN, 1],
])('the row range %d to %d is refused', async (begin, end) => {
  const { checkpoint } = await open();
  await expect(checkpoint.readRowRange('w', begin, end)).rejects.toMatchObject({ kind: 'usage' });
});
