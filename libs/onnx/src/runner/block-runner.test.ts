import {
  memoryWeights,
  ReferenceLlama,
  relativeError,
  someTokens,
  type TinyConfig,
  tinyLlama,
} from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { createBlockRunner } from './block-runner.ts';
import { embedTokens } from './embed.ts';

/** f32 against f64 through two blocks. */
const TOLERANCE = 2e-5;

const LLAMA3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };

const variants: [string, number, Partial<TinyConfig>][] = [
  ['grouped-query attention', 16, {}],
  ['one key head for all', 16, { num_key_value_heads: 1 }],
  ['a key head for each query head', 16, { num_key_value_heads: 4 }],
  ['heads wider together than the residual stream', 16, { head_dim: 12 }],
  ['biases everywhere', 16, { attention_bias: true, mlp_bias: true }],
  ['one token', 1, {}],
  ['a sequence longer than a chunk of the attention, and no multiple of it', 150, { head_dim: 4 }],
  ['linear rotary scaling', 16, { rope_scaling: { type: 'linear', factor: 4 } }],
  [
    'dynamic rotary scaling',
    16,
    { rope_scaling: { type: 'dynamic', factor: 4 }, max_position_embeddings: 8 },
  ],
  ['LLaMA 3 rotary scaling', 16, { rope_scaling: { rope_type: 'llama3', ...LLAMA3 } }],
  ['YaRN', 16, { rope_parameters: { rope_type: 'yarn', rope_theta: 100, factor: 4 } }],
];

test.each(variants)(
  'with %s every tap and the output are those of the f64 reference',
  async (_, seqlen, part) => {
    const { config, tensors, weights } = tinyLlama(part);
    const description = describeModel(config);
    const reference = new ReferenceLlama(config, tensors);
    const runner = await createBlockRunner(description, { seqlen, threads: 1 });
    const tokens = someTokens(seqlen, config.vocab_size);
    let hidden = await embedTokens(description, weights, tokens, tokens.length);
    let expected = reference.embed(tokens);
    for (let block = 0; block < description.blocks; block++) {
      const loaded = await runner.load(block, weights);
      const { taps, output } = reference.block(block, expected);
      const found = await loaded.taps(hidden);
      expect(found.map(({ tap }) => tap)).toEqual(Object.keys(taps));
      for (const { tap, rows, channels, data } of found) {
        expect(data).toHaveLength(rows * channels);
        expect(relativeError(data, taps[tap as keyof typeof taps].flat())).toBeLessThan(TOLERANCE);
      }
      hidden = await loaded.advance(hidden);
      expected = output;
      expect(relativeError(hidden, expected.flat())).toBeLessThan(TOLERANCE);
    }
    await runner.release();
  },
);

async function prepared(seqlen = 32, threads = 1) {
  const { config, tensors, weights } = tinyLlama();
  const description = describeModel(config);
  const runner = await createBlockRunner(description, { seqlen, threads });
  const hidden = await embedTokens(description, weights, someTokens(seqlen, config.vocab_size), seqlen);
  return { description, tensors, weights, runner, hidden };
}

test('the same bits come out whatever the number of threads', async () => {
  const one = await prepared(200, 1);
  const two = await prepared(200, 2);
  const a = await one.runner.load(0, one.weights);
  const b = await two.runner.load(0, two.weights);
  expect(await b.advance(two.hidden)).toEqual(await a.advance(one.hidden));
  expect(await b.taps(two.hidden)).toEqual(await a.taps(one.hidden));
  expect(two.runner.numerics).toBe(one.runner.numerics);
});

test('blocks that are loaded together keep their own weights, and leave their input as it is', async () => {
  const { runner, weights, hidden } = await prepared();
  const before = hidden.slice();
  const [first, second] = [await runner.load(0, weights), await runner.load(1, weights)];
  const output = await first.advance(hidden);
  const other = await second.advance(hidden);
  expect(hidden).toEqual(before);
  expect(other).not.toEqual(output);
  expect(await first.advance(hidden)).toEqual(output);
});

test('a part of a larger array serves as input', async () => {
  const { runner, weights, hidden } = await prepared();
  const larger = new Float32Array(hidden.length + 7);
  larger.set(hidden, 7);
  const block = await runner.load(0, weights);
  expect(await block.advance(larger.subarray(7))).toEqual(await block.advance(hidden));
});

test('runs that are started together do not disturb each other', async () => {
  const { runner, weights, hidden } = await prepared();
  const block = await runner.load(0, weights);
  const outputs = await Promise.all(Array.from({ length: 4 }, () => block.advance(hidden)));
  for (const output of outputs) expect(output).toEqual(outputs[0]);
});

test('a seqlen beyond the positions of the model, or none, is refused', async () => {
  const { config } = tinyLlama();
  const description = describeModel(config);
  for (const seqlen of [257, 0, 1.5, Number.NaN]) {
    await expect(createBlockRunner(description, { seqlen })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(`seqlen ${seqlen}`),
    });
  }
});

test('a tensor of another size, a block that does not exist and a released runner are refused', async () => {
  const { runner, weights, tensors, hidden } = await prepared();
  await expect(runner.load(2, weights)).rejects.toMatchObject({ kind: 'usage' });
  const short = memoryWeights(
    new Map([
      ...tensors,
      ['model.layers.0.mlp.up_proj.weight', { shape: [1], dtype: 'F32', data: new Float32Array(1) }],
    ]),
  );
  await expect(runner.load(0, short)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('model.layers.0.mlp.up_proj.weight'),
  });
  const block = await runner.load(0, weights);
  await expect(block.advance(hidden.subarray(1))).rejects.toMatchObject({ kind: 'internal' });
  await block.advance(hidden);
  await runner.release();
  await expect(block.advance(hidden)).rejects.toMatchObject({ message: expect.stringContaining('released') });
});

test('loading stops where its signal says so', async () => {
  const { runner, weights } = await prepared();
  const reading = runner.load(0, weights, AbortSignal.abort());
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
});
