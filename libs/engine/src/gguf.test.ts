/**
 * A GGUF file gives what the Hugging Face library makes of it: the fixtures were written by `test/python/gguf_fixtures.py`.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { checkpointWeights, openCheckpoint, openTokenizer } from '@esparse/checkpoint';
import { relativeError } from '@esparse/laws';
import { describeCheckpoint } from '@esparse/model';
import { sequenceLogits } from '@esparse/onnx';

const FIXTURES = path.join(import.meta.dirname, '../../../test/fixtures/gguf');
const TOLERANCE = 1e-4;

interface Expected {
  readonly tokens: readonly number[];
  /** Of the first tokens of the vocabulary. */
  readonly logits: readonly (readonly number[])[];
  readonly texts: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

const models = readdirSync(FIXTURES, { withFileTypes: true }).filter((entry) => entry.isDirectory());

test.each(models.map(({ name }) => name))('%s: the logits, and the tokens of texts', async (name) => {
  const folder = path.join(FIXTURES, name);
  const expected = JSON.parse(await readFile(path.join(folder, 'expected.json'), 'utf8')) as Expected;
  const file = path.join(folder, 'model.gguf');
  const checkpoint = await openCheckpoint(file);
  const description = describeCheckpoint(checkpoint);
  expect(description.family).toBe(name);
  const logits = await sequenceLogits(
    description,
    checkpointWeights(checkpoint),
    Uint32Array.from(expected.tokens),
  );
  for (const [t, row] of expected.logits.entries()) {
    const found = logits.subarray(t * description.vocab, t * description.vocab + row.length);
    expect(relativeError(found, row)).toBeLessThan(TOLERANCE);
  }
  await checkpoint.close();
  const tokenizer = await openTokenizer(file);
  for (const { text, ids } of expected.texts) {
    expect([...(await tokenizer.encode(text, { bos: false }))]).toEqual(ids);
  }
  tokenizer.close();
});
