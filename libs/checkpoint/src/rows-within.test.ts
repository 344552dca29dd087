import { openCheckpointIn } from './checkpoint.ts';
import { memoryFolder } from './testing/memory-folder.ts';
import { rawSafetensors } from './testing/raw-safetensors.ts';
import { checkpointWeights } from './weight-source.ts';

/** A matrix of f32 whose element (r, c) is r * columns + c. */
function folderOf(rows: number, columns: number) {
  const values = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const entry = { dtype: 'F32', shape: [rows, columns], data_offsets: [0, values.byteLength] };
  const file = rawSafetensors({ stored: entry }, new Uint8Array(values.buffer));
  return memoryFolder({ 'config.json': '{}', 'model.safetensors': file });
}

/** Element (r, c) of the transposed matrix, columns `first` on. */
const expected = (rows: number, columns: number, first: number, count: number) =>
  Array.from({ length: count * rows }, (_, i) => (i % rows) * columns + first + Math.floor(i / rows));

test('parts of a transposed matrix are its columns as rows: whole, some rows, and in any order', async () => {
  const checkpoint = await openCheckpointIn(folderOf(3, 5));
  checkpoint.split({
    name: 'stored',
    shape: [3, 5],
    transposed: true,
    parts: [
      { name: 'q', rows: 4 },
      { name: 'k', rows: 1 },
    ],
  });
  const weights = checkpointWeights(checkpoint);
  expect(weights.shape('q')).toEqual([4, 3]);
  expect([...(await weights.read('q'))]).toEqual(expected(3, 5, 0, 4));
  expect([...(await weights.read('k'))]).toEqual([4, 9, 14]);
  expect([...(await weights.readRowRange('q', 1, 3))]).toEqual(expected(3, 5, 1, 2));
  expect([...(await weights.readRows('q', Uint32Array.of(2, 0)))]).toEqual([2, 7, 12, 0, 5, 10]);
  await checkpoint.close();
});

test('of parts that take turns, pieces of whole rows are read, and nothing behind the last one', async () => {
  const [rows, columns] = [40, 30_000];
  const folder = folderOf(rows, columns);
  const checkpoint = await openCheckpointIn(folder);
  const parts = ['even', 'odd'].map((name) => ({ name, rows: rows / 2 }));
  checkpoint.split({ name: 'stored', shape: [rows, columns], interleaved: true, parts });
  folder.reads.length = 0;
  const found = await checkpointWeights(checkpoint).readRowRange('even', 2, 12);
  for (let r = 0; r < 10; r++) {
    expect(found[r * columns]).toBe((4 + 2 * r) * columns);
    expect(found[(r + 1) * columns - 1]).toBe((5 + 2 * r) * columns - 1);
  }
  const lengths = folder.reads.map(([, , length]) => length);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(1 << 20);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(19 * columns * 4);
  await checkpoint.close();
});

test('a matrix of many pieces is read once, a megabyte at a time', async () => {
  const [rows, columns] = [300, 1000];
  const folder = folderOf(rows, columns);
  const checkpoint = await openCheckpointIn(folder);
  checkpoint.split({
    name: 'stored',
    shape: [rows, columns],
    transposed: true,
    parts: [{ name: 'all', rows: columns }],
  });
  folder.reads.length = 0;
  const found = await checkpointWeights(checkpoint).read('all');
  expect(
    Buffer.from(found.buffer).equals(
      Buffer.from(Float32Array.from(expected(rows, columns, 0, columns)).buffer),
    ),
  ).toBe(true);
  const lengths = folder.reads.map(([, , length]) => length);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(1 << 20);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(rows * columns * 4);
  await checkpoint.close();
});
