import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openCheckpoint, openCheckpointIn } from './checkpoint.ts';
import { memoryFolder } from './testing/memory-folder.ts';
import { rawSafetensors } from './testing/raw-safetensors.ts';
import { tempDir } from './testing/temp-dir.ts';

const u8 = (...values: number[]) => Uint8Array.from(values);
const header = (...names: string[]) =>
  Object.fromEntries(
    names.map((n, i) => [n, { dtype: 'BF16', shape: [2, 1], data_offsets: [4 * i, 4 * i + 4] }]),
  );
const index = (weight_map: unknown) => JSON.stringify({ metadata: { total_size: 0 }, weight_map });

const sharded = () => ({
  'config.json': '{"model_type":"llama"}',
  'model.safetensors.index.json': index({ a: 'one.safetensors', b: 'two.safetensors', c: 'two.safetensors' }),
  'one.safetensors': rawSafetensors(header('a'), u8(1, 2, 3, 4)),
  'two.safetensors': rawSafetensors(header('b', 'c'), u8(5, 6, 7, 8, 9, 10, 11, 12)),
});

test('a sharded checkpoint is one map of tensors, each read by its byte range only', async () => {
  const folder = memoryFolder(sharded());
  const checkpoint = await openCheckpointIn(folder);
  expect([...checkpoint.tensors.keys()].sort()).toEqual(['a', 'b', 'c']);
  expect(checkpoint.config).toEqual({ model_type: 'llama' });
  const { begin, end, file } = checkpoint.info('c');
  folder.reads.length = 0;
  expect(await checkpoint.read('c')).toEqual(u8(9, 10, 11, 12));
  expect(folder.reads).toEqual([[file, begin, end - begin]]);
  const into = new Uint8Array(4);
  expect(await checkpoint.read('b', undefined, into)).toBe(into);
  expect(into).toEqual(u8(5, 6, 7, 8));
  const unfit = new Uint8Array(5);
  expect(await checkpoint.read('b', undefined, unfit)).toEqual(u8(5, 6, 7, 8));
  expect(unfit).toEqual(new Uint8Array(5));
  await checkpoint.close();
  expect(folder.openFiles).toBe(0);
});

test('model.safetensors goes before an index, as in the Hugging Face library', async () => {
  const single = rawSafetensors(header('s'), u8(1, 2, 3, 4));
  const checkpoint = await openCheckpointIn(memoryFolder({ ...sharded(), 'model.safetensors': single }));
  expect([...checkpoint.tensors.keys()]).toEqual(['s']);
});

test('a tensor that the index does not list is not part of the checkpoint, and the error says where it lies', async () => {
  const files = { ...sharded(), 'one.safetensors': rawSafetensors(header('a', 'extra'), 8) };
  const checkpoint = await openCheckpointIn(memoryFolder(files));
  expect(checkpoint.has('extra')).toBe(false);
  await expect(checkpoint.read('extra')).rejects.toMatchObject({
    kind: 'checkpoint',
    message: 'memory has no tensor extra',
    hint: expect.stringContaining('one.safetensors holds one'),
  });
});

test('where two shards hold a tensor, the index decides', async () => {
  const files = { ...sharded(), 'one.safetensors': rawSafetensors(header('a', 'b'), 8) };
  const checkpoint = await openCheckpointIn(memoryFolder(files));
  expect(checkpoint.info('b').file).toBe('two.safetensors');
});

test('a tensor of a type that cannot be read is there, and an error only when it is used', async () => {
  const quantised = { ...header('a'), q: { dtype: 'I64', shape: [1], data_offsets: [4, 12] } };
  const files = { 'config.json': '{}', 'model.safetensors': rawSafetensors(quantised, 12) };
  const checkpoint = await openCheckpointIn(memoryFolder(files));
  expect([...checkpoint.tensors.keys()]).toEqual(['a']);
  expect(checkpoint.has('q')).toBe(true);
  await expect(checkpoint.read('q')).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('tensor q is I64'),
  });
});

test.each([
  '../one.safetensors',
  '/etc/x.safetensors',
  'a/b.safetensors',
  'a\\b.safetensors',
  '..',
  '',
  'one.bin',
  'C:x.safetensors',
  'x\0.safetensors',
])('an index that names %j is refused before that is opened', async (name) => {
  const files = { ...sharded(), 'model.safetensors.index.json': index({ a: name }) };
  await expect(openCheckpointIn(memoryFolder(files))).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('not a .safetensors file of the same folder'),
  });
});

test.each<[string, Record<string, Uint8Array | string | undefined>, RegExp]>([
  ['no config', { 'config.json': undefined }, /memory has no config.json/],
  ['a config that is a list', { 'config.json': '[]' }, /memory\/config.json is not a JSON object/],
  ['no index and no model', { 'model.safetensors.index.json': undefined }, /neither model.safetensors nor/],
  ['an index without a map', { 'model.safetensors.index.json': '{}' }, /no weight_map/],
  ['a map of numbers', { 'model.safetensors.index.json': index({ a: 1 }) }, /no weight_map/],
  [
    'an index of too many files',
    {
      'model.safetensors.index.json': index(
        Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `${i}.safetensors`])),
      ),
    },
    /1001 tensors in 1001 files/,
  ],
  ['a missing shard', { 'two.safetensors': undefined }, /index.json names two.safetensors, which is missing/],
  [
    'a tensor that is not in its shard',
    { 'one.safetensors': rawSafetensors(header('z'), 4) },
    /places tensor "a" in one.safetensors, which does not hold it/,
  ],
  [
    'a truncated shard',
    { 'two.safetensors': sharded()['two.safetensors'].slice(0, -1) },
    /memory\/two.safetensors is truncated/,
  ],
])('%s is refused, and every file that was opened is closed', async (_, change, message) => {
  const folder = memoryFolder(sharded());
  for (const [name, content] of Object.entries(change)) {
    if (content === undefined) folder.files.delete(name);
    else folder.files.set(name, Buffer.from(content));
  }
  await expect(openCheckpointIn(folder)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringMatching(message),
  });
  expect(folder.openFiles).toBe(0);
});

test('the name of a model on the hub is refused with how to write it', async () => {
  await expect(openCheckpoint('meta-llama/Llama-2-7b-hf')).rejects.toMatchObject({
    kind: 'checkpoint',
    hint: expect.stringContaining('hf:meta-llama/Llama-2-7b-hf'),
  });
});

describe('on disk', () => {
  const writeSharded = () => {
    const directory = tempDir();
    for (const [name, content] of Object.entries(sharded()))
      writeFileSync(path.join(directory, name), content);
    return directory;
  };

  test('the same bytes are read, through links too, and never after the checkpoint is closed', async () => {
    const linked = path.join(tempDir(), 'linked');
    symlinkSync(writeSharded(), linked);
    const checkpoint = await openCheckpoint(linked);
    expect(await checkpoint.read('b')).toEqual(u8(5, 6, 7, 8));
    expect(await checkpoint.readRowRange('b', 1, 2)).toEqual(u8(7, 8));
    await checkpoint.close();
    await checkpoint.close();
    await expect(checkpoint.read('b')).rejects.toMatchObject({ kind: 'internal' });
  });

  test('a file that is shortened while it is open is an error that names the file', async () => {
    const directory = writeSharded();
    const checkpoint = await openCheckpoint(directory);
    const file = path.join(directory, 'one.safetensors');
    truncateSync(file, checkpoint.info('a').begin + 1);
    await expect(checkpoint.read('a')).rejects.toMatchObject({
      kind: 'checkpoint',
      message: expect.stringContaining(file),
    });
    await checkpoint.close();
  });

  test('a folder or a pipe in place of a file is refused and does not hang', async () => {
    const directory = writeSharded();
    mkdirSync(path.join(directory, 'model.safetensors'));
    await expect(openCheckpoint(directory)).rejects.toMatchObject({
      message: expect.stringContaining('not a regular file'),
    });
    const piped = tempDir();
    execFileSync('mkfifo', [path.join(piped, 'config.json')]);
    await expect(openCheckpoint(piped)).rejects.toMatchObject({
      message: expect.stringContaining('not a regular file'),
    });
  });

  test('a directory that is not there is an error that names it', async () => {
    await expect(openCheckpoint('/nowhere/at/all')).rejects.toMatchObject({
      kind: 'checkpoint',
      message: expect.stringContaining('/nowhere/at/all'),
    });
  });

  test('a cancelled read is cancelled', async () => {
    const checkpoint = await openCheckpoint(writeSharded());
    await expect(checkpoint.read('a', AbortSignal.abort())).rejects.toMatchObject({ kind: 'cancelled' });
    await checkpoint.close();
  });
});
