import { describeModel } from '../family.ts';
import { tinyLlama } from '../testing/tiny-llama.ts';
import { embedTokens } from './embed.ts';

test('a token is embedded as its row, as often as it occurs', async () => {
  const { config, tensors, weights } = tinyLlama();
  const hidden = await embedTokens(describeModel(config), weights, Uint32Array.of(49, 0, 49));
  const table = tensors.get('model.embed_tokens.weight')!.data;
  const row = (token: number) => [...table.subarray(token * 32, (token + 1) * 32)];
  expect([...hidden]).toEqual([49, 0, 49].flatMap(row));
});

test('a token outside the vocabulary is refused, and named', async () => {
  const { config, weights } = tinyLlama();
  await expect(embedTokens(describeModel(config), weights, Uint32Array.of(0, 50))).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('token 50 at position 1'),
  });
});

test('an embedding whose rows have another width is refused', async () => {
  const { config, weights } = tinyLlama();
  weights.readRows = () => Promise.resolve(new Float32Array(3));
  await expect(embedTokens(describeModel(config), weights, Uint32Array.of(1))).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('model.embed_tokens.weight'),
  });
});
