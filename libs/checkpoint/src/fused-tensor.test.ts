import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCheckpoint } from './checkpoint.ts';
import { checkpointWeights } from './weight-source.ts';
import { writeCheckpoint } from './write-checkpoint.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-fused-'));
  const numbers = Float32Array.from({ length: 5 * 4 }, (_, i) => i);
  // The upper half of an f32 is a bf16, exact for small whole numbers.
  const halves = Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => bits >>> 16);
  const data = () => new Uint8Array(halves.buffer);
  const bias = () => new Uint8Array(halves.buffer, 0, 10);
  await writeCheckpoint(folder, {}, [
    { name: 'qkv', dtype: 'BF16', shape: [5, 4], data },
    { name: 'bias', dtype: 'BF16', shape: [5], data: bias },
  ]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const FUSED = {
  name: 'qkv',
  shape: [5, 4],
  parts: [
    { name: 'q', rows: 3 },
    { name: 'k', rows: 1 },
    { name: 'v', rows: 1 },
  ],
} as const;

test('the parts of a tensor are tensors: whole, by rows, and where they lie', async () => {
  const checkpoint = await openCheckpoint(folder);
  expect(checkpoint.has('q')).toBe(false);
  checkpoint.split(FUSED);
  checkpoint.split(FUSED);
  const weights = checkpointWeights(checkpoint);
  expect([...(await weights.read('q'))]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect([...(await weights.read('v'))]).toEqual([16, 17, 18, 19]);
  expect([...(await weights.readRows('q', Uint32Array.of(2, 0)))]).toEqual([8, 9, 10, 11, 0, 1, 2, 3]);
  expect([...(await weights.readRowRange('q', 1, 2))]).toEqual([4, 5, 6, 7]);
  const [whole, k] = [checkpoint.info('qkv'), checkpoint.info('k')];
  expect(k).toMatchObject({
    shape: [1, 4],
    file: whole.file,
    begin: whole.begin + 24,
    end: whole.begin + 32,
  });
  expect(checkpoint.tensors.has('qkv')).toBe(true);
  await checkpoint.close();
});

test('the parts of a list are lists', async () => {
  const checkpoint = await openCheckpoint(folder);
  checkpoint.split({
    name: 'bias',
    shape: [5],
    parts: [
      { name: 'q.bias', rows: 3 },
      { name: 'k.bias', rows: 2 },
    ],
  });
  const weights = checkpointWeights(checkpoint);
  expect(weights.shape('k.bias')).toEqual([2]);
  expect([...(await weights.read('k.bias'))]).toEqual([3, 4]);
  await checkpoint.close();
});

test('a tensor that is missing or has another shape is refused by its name', async () => {
  const checkpoint = await openCheckpoint(folder);
  expect(() => {
    checkpoint.split({ ...FUSED, shape: [6, 4] });
  }).toThrow(
    expect.objectContaining({ kind: 'checkpoint', message: expect.stringContaining("'qkv' is 5 x 4") }),
  );
  expect(() => {
    checkpoint.split({ ...FUSED, name: 'other' });
  }).toThrow(expect.objectContaining({ kind: 'checkpoint', message: expect.stringContaining('other') }));
  await checkpoint.close();
});
