import { readdirSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCheckpoint } from '@esparse/checkpoint';
import { thrownBy } from '@esparse/laws';
import { describeCheckpoint } from './describe-checkpoint.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../test/fixtures/transformers');
const GPT2 = path.join(FIXTURES, 'gpt2');

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

/** What config.json calls a size: GPT-2 has names of its own. */
const OWN_NAMES: Readonly<Record<string, string>> = {
  hidden_size: 'n_embd',
  num_hidden_layers: 'n_layer',
  num_attention_heads: 'n_head',
};

test.each(readdirSync(FIXTURES))(
  '%s: a config.json that lies is refused, by tensor or by field',
  async (name) => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, name));
    const { config } = checkpoint;
    const refused = (field: string, value: unknown) => {
      const key = 'n_embd' in config ? (OWN_NAMES[field] ?? field) : field;
      const lying = { ...checkpoint, config: { ...config, [key]: value } };
      return { key, error: thrownBy(() => describeCheckpoint(lying)) as Error & { kind: string } };
    };
    // Sizes that the tensors do not have, layers that are missing, layers too many.
    for (const [field, value] of [
      ['hidden_size', 64],
      ['vocab_size', 41],
      ['num_hidden_layers', 4],
      ['num_hidden_layers', 2],
    ] as const) {
      const { error } = refused(field, value);
      expect(error).toMatchObject({
        kind: 'checkpoint',
        message: expect.stringMatching(
          /\w\.(weight|bias)\b|experts\.gate_up_proj|(layer_types|no_rope_layers) names|short_factor/,
        ),
      });
    }
    for (const field of ['hidden_size', 'vocab_size', 'num_hidden_layers', 'num_attention_heads']) {
      for (const value of [-1, 0, 1.5, '32', 1e12, Number.MAX_VALUE, null, [32], {}]) {
        const { key, error } = refused(field, value);
        expect(error).toMatchObject({ kind: 'checkpoint', message: expect.stringContaining(key) });
      }
    }
    expect(refused('num_attention_heads', 7).error.message).toMatch(/7/);
    await checkpoint.close();
  },
);

/** A safetensors file, the names of its tensors without `transformer.`: the header is as long as before. */
function withoutPrefix(bytes: Buffer): Buffer {
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = bytes
    .toString('latin1', 8, end)
    .replaceAll('"transformer.', '"')
    .padEnd(end - 8);
  return Buffer.concat([bytes.subarray(0, 8), Buffer.from(header, 'latin1'), bytes.subarray(end)]);
}
