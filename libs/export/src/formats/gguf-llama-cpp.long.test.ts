/** GGUF files, read by llama.cpp itself: its tokens, its probabilities and its texts are ours. */
import path from 'node:path';
import { makeTokenizer, makeTokenText } from '@esparse/checkpoint';
import { inTemporaryFolder } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { readRunAttributes, readTokenizerFiles, storeWeights } from '@esparse/model-store';
import { sequenceLogits } from '@esparse/onnx';
import type { Run } from '@esparse/store';
import type { ExportDtype } from '../dtype/dtypes.ts';
import { exportRun } from '../export-run.ts';
import { hasLlamaCpp, llamaCpp } from '../testing/llama-cpp.ts';
import { FIXTURES, prunedRun } from '../testing/pruned-run.ts';
import { randomCheckpoint } from '../testing/random-checkpoint.ts';
import { gguf } from './gguf.ts';

const withLlamaCpp = hasLlamaCpp() ? test : test.skip;
const GGUF_FIXTURES = path.join(FIXTURES, '../gguf');
const EXAMPLE = path.join(FIXTURES, '../../../examples/models/llama-2m');
const TEXTS = ['The quick brown fox, 1234!', 'two  spaces\n\nand\ttabs ', 'Zoë 日本 🙂', "it's here"];

/** Exports a run, and compares what llama.cpp makes of the file with what the run computes. */
async function expectSame(
  run: Run,
  {
    dtype,
    within,
    compareTexts = false,
  }: { readonly dtype?: ExportDtype; readonly within: number; readonly compareTexts?: boolean },
): Promise<void> {
  await inTemporaryFolder(async (home) => {
    const out = path.join(home, 's.gguf');
    await exportRun({ run, format: gguf, out, dtype });
    const found = await llamaCpp(out, TEXTS);
    const files = await readTokenizerFiles(run);
    const tokenizer = await makeTokenizer(files, 'the run');
    for (const [i, text] of TEXTS.entries()) {
      const { tokens, evaluated, probabilities, greedy } = found[i]!;
      expect(tokens).toEqual([...(await tokenizer.encode(text, { bos: false }))]);
      const prompt = await tokenizer.encode(text, { bos: tokenizer.addsBos });
      expect(evaluated).toBe(prompt.length);
      const expected = (await probabilitiesOf(run, prompt)).sort().reverse();
      probabilities.forEach((probability, rank) => {
        expect(Math.abs(probability - expected[rank]!)).toBeLessThan(within);
      });
      if (!compareTexts) continue;
      const stream = makeTokenText(files, 'the run').stream();
      const next = await greedyTokens(run, prompt, 8);
      expect(greedy).toBe(next.map((token) => stream.push(token)).join('') + stream.end());
    }
    tokenizer.close();
  });
}

/** How likely each token is behind some others. */
async function probabilitiesOf(run: Run, tokens: Uint32Array): Promise<Float64Array> {
  const description = describeModel(readRunAttributes(run.attributes).config);
  const logits = await sequenceLogits(description, storeWeights(run, description), tokens);
  const last = Float64Array.from(logits.subarray((tokens.length - 1) * description.vocab));
  const largest = Math.max(...last);
  const shares = last.map((logit) => Math.exp(logit - largest));
  const sum = shares.reduce((a, b) => a + b);
  return shares.map((share) => share / sum);
}

async function greedyTokens(run: Run, prompt: Uint32Array, count: number): Promise<number[]> {
  const tokens = [...prompt];
  while (tokens.length < prompt.length + count) {
    const shares = await probabilitiesOf(run, Uint32Array.from(tokens));
    tokens.push(shares.indexOf(Math.max(...shares)));
  }
  return tokens.slice(prompt.length);
}

withLlamaCpp.each(['gemma3', 'llama', 'qwen2', 'qwen3'])(
  '%s: tokens and probabilities are those of the run',
  async (name) =>
    expectSame(await prunedRun(path.join(GGUF_FIXTURES, name, 'model.gguf')), { dtype: 'f32', within: 1e-4 }),
);

const SIZES = {
  ...{
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  },
  ...{ vocab_size: 320, max_position_embeddings: 128, rms_norm_eps: 1e-5, tie_word_embeddings: false },
};

withLlamaCpp.each([
  ['MistralForCausalLM', { sliding_window: 64 }],
  ['LlamaForCausalLM', { rope_scaling: { rope_type: 'linear', factor: 4 } }],
  [
    'LlamaForCausalLM',
    {
      rope_scaling: {
        ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
        original_max_position_embeddings: 32,
      },
    },
  ],
  [
    'Qwen3ForCausalLM',
    { rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 } },
  ],
  ['SmolLM3ForCausalLM', { no_rope_layer_interval: 4 }],
  ['Olmo2ForCausalLM', {}],
  [
    'GraniteForCausalLM',
    { embedding_multiplier: 6, attention_multiplier: 0.2, residual_multiplier: 0.3, logits_scaling: 2 },
  ],
])('%s with %j: the same', (architecture, more) =>
  inTemporaryFolder(async (home) => {
    const model = path.join(home, 'model');
    const config = { architectures: [architecture], ...SIZES, ...more };
    await randomCheckpoint(model, config, path.join(GGUF_FIXTURES, 'qwen2/model.gguf'));
    await expectSame(await prunedRun(model), { dtype: 'f32', within: 1e-4 });
  }),
);

withLlamaCpp.each([4, 8] as const)(
  'a trained model in blocks of %i bits: llama.cpp reads our integers, and rounds activations to 8 bits',
  async (bits) => {
    const order = (_linear: string, _block: number, cols: number) =>
      Int32Array.from({ length: cols }, (_, channel) => channel);
    await expectSame(await prunedRun(EXAMPLE, { order, bits }), { within: 5e-2 });
  },
);

withLlamaCpp(
  'a trained model: texts are those of the run; in bf16 llama.cpp rounds activations',
  async () => {
    const run = await prunedRun(EXAMPLE);
    await expectSame(run, { dtype: 'f32', within: 1e-4, compareTexts: true });
    await expectSame(run, { within: 1e-2 });
  },
);
