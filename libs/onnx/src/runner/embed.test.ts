import { memoryWeights, tinyLlama } from '@esparse/laws';
import { BLOCK_INPUT, describeModel, type ModelDescription } from '@esparse/model';
import { narrow } from '@esparse/kernels';
import { embedTokens, embedTokensRounded } from './embed.ts';

test('a token is embedded as its row, as often as it occurs', async () => {
  const { config, tensors, weights } = tinyLlama();
  const hidden = await embedTokens(describeModel(config), weights, Uint32Array.of(49, 0, 49), 3);
  const table = tensors.get('model.embed_tokens.weight')!.data;
  const row = (token: number) => [...table.subarray(token * 32, (token + 1) * 32)];
  expect([...hidden]).toEqual([49, 0, 49].flatMap(row));
});

test('rounded, a row is that of the checkpoint where it has bf16, and else made of f32', async () => {
  const { config, weights } = tinyLlama();
  const description = describeModel(config);
  const tokens = Uint32Array.of(49, 0, 49);
  const rounded = narrow('bf16', await embedTokens(description, weights, tokens, 3));
  expect(await embedTokensRounded(description, weights, tokens, 3)).toEqual(rounded);
  const bits = rounded.map((_, i) => i);
  const stored = { ...weights, rowBits: () => Promise.resolve(bits) };
  expect(await embedTokensRounded(description, stored, tokens, 3)).toEqual(bits);
  await expect(embedTokensRounded(description, stored, Uint32Array.of(50), 1)).rejects.toMatchObject({
    kind: 'checkpoint',
  });
});

test('a token outside the vocabulary is refused, and named', async () => {
  const { config, weights } = tinyLlama();
  await expect(embedTokens(describeModel(config), weights, Uint32Array.of(0, 50), 2)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('token 50 at position 1'),
  });
});

test('an embedding whose rows have another width is refused', async () => {
  const { config, weights } = tinyLlama();
  weights.readRows = () => Promise.resolve(new Float32Array(3));
  await expect(embedTokens(describeModel(config), weights, Uint32Array.of(1), 1)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('model.embed_tokens.weight'),
  });
});

test('learned positions are added from their offset on, and begin anew with each sequence', async () => {
  const table = Float32Array.from({ length: 6 * 2 }, (_, i) => 100 * i);
  const weights = memoryWeights(
    new Map([
      ['tokens', { shape: [3, 2], dtype: 'F32', data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
      ['positions', { shape: [6, 2], dtype: 'F32', data: table }],
    ]),
  );
  const { program, ...llama } = describeModel(tinyLlama().config);
  const description: ModelDescription = {
    ...llama,
    hidden: 2,
    vocab: 3,
    outerTensors: [
      { name: 'tokens', shape: [3, 2] },
      { name: 'positions', shape: [6, 2] },
    ],
    program: {
      ...program,
      embed: [
        { op: 'embedding', table: 'tokens', index: 'token', offset: 0, output: 'token' },
        { op: 'embedding', table: 'positions', index: 'position', offset: 2, output: 'position' },
        { op: 'add', left: 'token', right: 'position', output: BLOCK_INPUT },
      ],
    },
  };
  const hidden = await embedTokens(description, weights, Uint32Array.of(0, 1, 2, 0), 2);
  expect([...hidden]).toEqual([401, 502, 603, 704, 405, 506, 601, 702]);
});
