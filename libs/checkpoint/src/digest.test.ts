import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { openCheckpoint } from './checkpoint.ts';
import { tempDir } from './testing/temp-dir.ts';
import { writeCheckpoint, type TensorToWrite } from './write-checkpoint.ts';

const BIG = 100_000;

interface Variant {
  readonly shards?: number;
  readonly config?: Record<string, unknown>;
  /** Byte of tensor `big` that is changed. */
  readonly flip?: number;
  readonly rename?: string;
  readonly shape?: readonly number[];
  readonly tokenizer?: string;
  readonly reverse?: boolean;
}

async function digest({
  shards = 1,
  config,
  flip,
  rename,
  shape,
  tokenizer,
  reverse,
}: Variant = {}): Promise<string> {
  const directory = path.join(tempDir(), 'model');
  const big = new Uint8Array(BIG * 2).fill(3);
  if (flip !== undefined) big[flip]! ^= 1;
  const tensors: TensorToWrite[] = [
    { name: 'big', dtype: 'BF16', shape: shape ?? [BIG], data: () => big },
    { name: rename ?? 'small', dtype: 'F32', shape: [2], data: () => new Uint8Array(8) },
    { name: 'other', dtype: 'F16', shape: [4, 2], data: () => new Uint8Array(16).fill(1) },
  ];
  if (reverse === true) tensors.reverse();
  await writeCheckpoint(directory, config ?? { a: 1, b: { c: 2, d: 3 } }, tensors, { shards });
  if (tokenizer !== undefined) writeFileSync(path.join(directory, 'tokenizer.json'), tokenizer);
  const checkpoint = await openCheckpoint(directory);
  await checkpoint.close();
  return checkpoint.digest;
}

test('the digest depends on neither the folder, the shards, the order of tensors nor the order of config keys', async () => {
  const original = await digest();
  expect(original).toMatch(/^[0-9a-f]{64}$/);
  expect(await digest({ shards: 3 })).toBe(original);
  expect(await digest({ reverse: true, shards: 2 })).toBe(original);
  expect(await digest({ config: { b: { d: 3, c: 2 }, a: 1 } })).toBe(original);
});

test('the digest changes with config, tokenizer, name, shape, and bytes at the ends and the middle of a tensor', async () => {
  const variants: Variant[] = [
    {},
    { config: { a: 1 } },
    { tokenizer: '{}' },
    { tokenizer: '{ }' },
    { rename: 'smell' },
    { shape: [1, BIG] },
    { flip: 0 },
    { flip: BIG },
    { flip: 2 * BIG - 1 },
  ];
  const digests = await Promise.all(variants.map(digest));
  expect(new Set(digests).size).toBe(variants.length);
});

test('the digest of a given checkpoint never changes', async () => {
  expect(await digest()).toBe('6209f041f58b407817570af3bfe3d9306d6e83cf69c17d7111bc1b40bc50a943');
});
