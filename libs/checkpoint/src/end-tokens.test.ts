import path from 'node:path';
import { endTokensOf } from './end-tokens.ts';
import { tokenizerFiles } from './tokenizer-files.ts';
import { openTokenizers } from './testing/open-tokenizers.ts';

const EXAMPLE = path.join(import.meta.dirname, '../../../examples/models/llama-2m');
const tokenizers = openTokenizers();
afterEach(tokenizers.close);

const json = (value: object) => new TextEncoder().encode(JSON.stringify(value));

test('a text ends with what config.json, generation_config.json or the tokenizer calls its end', async () => {
  const [tokenizer] = (await tokenizerFiles(EXAMPLE)).filter(({ name }) => name === 'tokenizer.json');
  const of = async (config: object, ...files: { name: string; bytes: Uint8Array }[]) => {
    const all = [tokenizer!, ...files];
    return [...(await endTokensOf(all, { ...config }, await tokenizers.of(all)))];
  };
  expect(await of({})).toEqual([]);
  expect(await of({ eos_token_id: 7 })).toEqual([7]);
  const generation = { name: 'generation_config.json', bytes: json({ eos_token_id: [7, 9, 'x', -1] }) };
  expect(await of({ eos_token_id: 3 }, generation)).toEqual([3, 7, 9]);
  for (const eos of ['<|endoftext|>', { content: '<|endoftext|>' }]) {
    expect(await of({}, { name: 'tokenizer_config.json', bytes: json({ eos_token: eos }) })).toEqual([0]);
  }
  // Not a token of its own: no end.
  expect(
    await of({}, { name: 'tokenizer_config.json', bytes: json({ eos_token: 'the end of it' }) }),
  ).toEqual([]);
});
