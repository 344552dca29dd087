import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCheckpoint } from '@esparse/checkpoint';
import { describeCheckpoint } from './describe-checkpoint.ts';

const GPT2 = path.join(import.meta.dirname, '../../../test/fixtures/transformers/gpt2');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-describe-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a checkpoint of the model without its head is the same model under shorter names', async () => {
  await copyFile(path.join(GPT2, 'config.json'), path.join(folder, 'config.json'));
  const bytes = await readFile(path.join(GPT2, 'model.safetensors'));
  await writeFile(path.join(folder, 'model.safetensors'), withoutPrefix(bytes));
  const [whole, base] = [await openCheckpoint(GPT2), await openCheckpoint(folder)];
  expect(base.has('h.1.attn.c_attn.weight')).toBe(true);
  expect(describeCheckpoint(base).blocks).toBe(describeCheckpoint(whole).blocks);
  for (const name of ['transformer.wte.weight', 'transformer.h.1.attn.k_proj.weight']) {
    expect(await base.read(name)).toEqual(await whole.read(name));
  }
  await Promise.all([whole.close(), base.close()]);
});

/** A safetensors file, the names of its tensors without `transformer.`: the header is as long as before. */
function withoutPrefix(bytes: Buffer): Buffer {
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = bytes
    .toString('latin1', 8, end)
    .replaceAll('"transformer.', '"')
    .padEnd(end - 8);
  return Buffer.concat([bytes.subarray(0, 8), Buffer.from(header, 'latin1'), bytes.subarray(end)]);
}
