import fc from 'fast-check';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openCheckpoint } from './checkpoint.ts';
import { tempDir } from './testing/temp-dir.ts';
import { writeCheckpoint, type TensorToWrite } from './write-checkpoint.ts';

const tensor = (name: string, rows = 2): TensorToWrite => ({
  name,
  dtype: 'BF16',
  shape: [rows, 2],
  data: () => new Uint8Array(rows * 4).fill(name.length),
});

test('what is written is read back, in any number of shards', async () => {
  const root = tempDir();
  let run = 0;
  const specs = fc.uniqueArray(
    fc.record({
      name: fc.oneof(fc.string({ minLength: 1, maxLength: 9 }), fc.constantFrom('__proto__', 'ü"\\', '1')),
      dtype: fc.constantFrom('BF16' as const, 'F16' as const, 'F32' as const),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
    }),
    { selector: ({ name }) => name, maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(specs, fc.integer({ min: 1, max: 10 }), async (all, shards) => {
      const directory = path.join(root, String(run++));
      const bytes = ({ dtype, shape }: (typeof all)[number]) =>
        new Uint8Array(shape.reduce((a, b) => a * b, dtype === 'F32' ? 4 : 2)).map(
          (_, i) => i + shape.length,
        );
      const tensors = all.map((spec) => ({ ...spec, data: () => bytes(spec) }));
      await writeCheckpoint(directory, { run }, tensors, { shards });
      const files = readdirSync(directory).filter((file) => file.endsWith('.safetensors'));
      expect(files.length).toBe(Math.max(1, Math.min(shards, all.length)));
      const checkpoint = await openCheckpoint(directory);
      expect(checkpoint.tensors.size).toBe(all.length);
      for (const spec of all) {
        expect(checkpoint.info(spec.name)).toMatchObject({ dtype: spec.dtype, shape: spec.shape });
        expect(await checkpoint.read(spec.name)).toEqual(bytes(spec));
      }
      await checkpoint.close();
    }),
    { seed: 4, numRuns: 40 },
  );
});

test('tensors are asked for one at a time, in order, and shards are about equal', async () => {
  const directory = path.join(tempDir(), 'model');
  const asked: string[] = [];
  function* many(): Generator<TensorToWrite> {
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      yield { ...tensor(name), data: () => (asked.push(name), new Uint8Array(8)) };
    }
  }
  await writeCheckpoint(directory, {}, many(), { shards: 3 });
  expect(asked.join('')).toBe('abcdef');
  const checkpoint = await openCheckpoint(directory);
  expect([...checkpoint.tensors.values()].map(({ file }) => file.slice(0, 11))).toEqual(
    ['1', '1', '2', '2', '3', '3'].map((n) => `model-0000${n}`),
  );
  await checkpoint.close();
});

test('an interrupted writing leaves nothing that opens, and can be done again', async () => {
  const directory = path.join(tempDir(), 'model');
  const failing: TensorToWrite = { ...tensor('b'), data: () => Promise.reject(new Error('power')) };
  await expect(writeCheckpoint(directory, {}, [tensor('a'), failing])).rejects.toThrow('power');
  expect(existsSync(path.join(directory, 'config.json'))).toBe(false);
  await writeCheckpoint(directory, {}, [tensor('a'), tensor('b')], { shards: 2 });
  const checkpoint = await openCheckpoint(directory);
  expect(checkpoint.tensors.size).toBe(2);
  await checkpoint.close();
});

test('a checkpoint is never overwritten', async () => {
  const directory = tempDir();
  writeFileSync(path.join(directory, 'config.json'), '{}');
  await expect(writeCheckpoint(directory, {}, [])).rejects.toMatchObject({ kind: 'usage' });
});

test.each<[string, TensorToWrite[], number, RegExp]>([
  ['two tensors of one name', [tensor('a'), tensor('a')], 1, /two tensors are named a/],
  [
    'data of another size',
    [{ ...tensor('a'), shape: [3, 2] }],
    1,
    /tensor a is BF16 \[3, 2\], 12 bytes, but has 8/,
  ],
  ['a negative size', [{ ...tensor('a'), shape: [-1] }], 1, /tensor a has an impossible shape/],
  ['the reserved name', [tensor('__metadata__')], 1, /no tensor can be named/],
  ['no shards', [tensor('a')], 0, /shards is 0/],
])('%s: refused', async (_, tensors, shards, message) => {
  await expect(writeCheckpoint(path.join(tempDir(), 'm'), {}, tensors, { shards })).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(message),
  });
});

test('writing can be cancelled', async () => {
  const work = writeCheckpoint(path.join(tempDir(), 'm'), {}, [tensor('a')], { signal: AbortSignal.abort() });
  await expect(work).rejects.toMatchObject({ kind: 'cancelled' });
});
