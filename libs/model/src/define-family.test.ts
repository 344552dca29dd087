import { thrownBy, tinyLlama } from '@esparse/laws';
import { z } from 'zod';
import { defineFamily } from './define-family.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './families/llama-decoder.ts';
import { describeModel, registerFamily } from './family.ts';

const { config } = tinyLlama();
const own = defineFamily({
  name: 'own-llama',
  architectures: ['OwnForCausalLM'],
  config: z.object({ ...LLAMA_FIELDS, hidden_size: z.number().int().max(32) }),
  describe: (fields) => describeLlamaDecoder(fields, { biased: new Set() }),
});

test('a family describes the models of its architectures under its own name', () => {
  registerFamily(own);
  const ownConfig = { ...config, architectures: ['OwnForCausalLM'] };
  expect(describeModel(ownConfig)).toMatchObject({ family: 'own-llama', hidden: 32, blocks: 2 });
  expect(thrownBy(() => describeModel({ ...ownConfig, hidden_size: 64 }))).toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('hidden_size'),
  });
});

test('one of a name or an architecture that is taken is refused', () => {
  const again = (part: object) =>
    thrownBy(() => {
      registerFamily({ ...own, name: 'another', architectures: ['AnotherForCausalLM'], ...part });
    });
  expect(again({ architectures: ['LlamaForCausalLM'] })).toMatchObject({
    kind: 'usage',
    message: "model family 'another': 'LlamaForCausalLM' is registered already",
  });
  expect(again({ name: 'llama' })).toMatchObject({
    kind: 'usage',
    message: "there is a model family 'llama' already",
  });
});

test('a family without a proper name or an architecture is refused', () => {
  const definition = { ...own, config: z.object({}), describe: () => describeModel(config) };
  for (const name of ['', 'Own', 'own llama', undefined as unknown as string]) {
    expect(thrownBy(() => defineFamily({ ...definition, name }))).toMatchObject({ kind: 'usage' });
  }
  expect(thrownBy(() => defineFamily({ ...definition, architectures: [] }))).toMatchObject({ kind: 'usage' });
});
