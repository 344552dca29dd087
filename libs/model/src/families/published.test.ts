/** The sizes of published models, as their config.json has them, and how many parameters their pages say that they have. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { elementCount } from '@esparse/checkpoint';
import { tensorsOfBlock } from '../check-tensors.ts';
import { describeModel } from '../family.ts';

const sizes = (
  hidden_size: number,
  intermediate_size: number,
  num_hidden_layers: number,
  num_attention_heads: number,
  num_key_value_heads: number,
  vocab_size: number,
) => ({
  ...{ hidden_size, intermediate_size, num_hidden_layers },
  ...{ num_attention_heads, num_key_value_heads, vocab_size },
});
const tied = { tie_word_embeddings: true };
const GPT_OSS = sizes(2880, 2880, 0, 64, 8, 201088);
const untied = { tie_word_embeddings: false };

test.each<[name: string, architecture: string, config: object, parameters: number]>([
  ['SmolLM2-135M', 'LlamaForCausalLM', { ...sizes(576, 1536, 30, 9, 3, 49152), ...tied }, 134_515_008],
  ['Llama-3.2-1B', 'LlamaForCausalLM', { ...sizes(2048, 8192, 16, 32, 8, 128256), ...tied }, 1_235_814_400],
  [
    'Llama-3.1-8B',
    'LlamaForCausalLM',
    { ...sizes(4096, 14336, 32, 32, 8, 128256), ...untied },
    8_030_261_248,
  ],
  ['Mistral-7B-v0.1', 'MistralForCausalLM', sizes(4096, 14336, 32, 32, 8, 32000), 7_241_732_096],
  ['Qwen2.5-0.5B', 'Qwen2ForCausalLM', { ...sizes(896, 4864, 24, 14, 2, 151936), ...tied }, 494_032_768],
  [
    'Qwen3-0.6B',
    'Qwen3ForCausalLM',
    { ...sizes(1024, 3072, 28, 16, 8, 151936), ...tied, head_dim: 128 },
    596_049_920,
  ],
  [
    'gpt-oss-20b',
    'GptOssForCausalLM',
    { ...GPT_OSS, num_hidden_layers: 24, num_local_experts: 32 },
    20_914_757_184,
  ],
  [
    'gpt-oss-120b',
    'GptOssForCausalLM',
    { ...GPT_OSS, num_hidden_layers: 36, num_local_experts: 128 },
    116_829_156_672,
  ],
  ['SmolLM3-3B', 'SmolLM3ForCausalLM', { ...sizes(2048, 11008, 36, 16, 4, 128256), ...tied }, 3_075_098_624],
  [
    'gemma-3-1b-it',
    'Gemma3ForCausalLM',
    { ...sizes(1152, 6912, 26, 4, 1, 262144), head_dim: 256 },
    999_885_952,
  ],
  [
    'gemma-3-270m',
    'Gemma3ForCausalLM',
    { ...sizes(640, 2048, 18, 4, 1, 262144), head_dim: 256 },
    268_098_176,
  ],
  ['Phi-3-mini-4k-instruct', 'Phi3ForCausalLM', sizes(3072, 8192, 32, 32, 32, 32064), 3_821_079_552],
  ['OLMo-2-0425-1B', 'Olmo2ForCausalLM', sizes(2048, 8192, 16, 16, 16, 100352), 1_484_916_736],
  ['gpt2', 'GPT2LMHeadModel', {}, 124_439_808],
  ['gpt2-xl', 'GPT2LMHeadModel', { n_embd: 1600, n_layer: 48, n_head: 25 }, 1_557_611_200],
  ['opt-125m', 'OPTForCausalLM', {}, 125_239_296],
])('%s has the parameters of its page', (_, architecture, config, parameters) => {
  const description = describeModel({ architectures: [architecture], ...config });
  const blocks = Array.from({ length: description.blocks }, (_, block) => tensorsOfBlock(description, block));
  const count = [...description.outerTensors, ...blocks.flat()].reduce(
    (sum, { shape }) => sum + elementCount(shape),
    0,
  );
  expect(count).toBe(parameters);
});

test('docs/families.md lists no architectures but those that are known', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../../docs/families.md'), 'utf8');
  const listed = page.split('\n').flatMap((line) => /^\| \S+ +\| `(\w+)`/.exec(line)?.slice(1) ?? []);
  let hint = '';
  try {
    describeModel({ architectures: ['Unknown'] });
  } catch (error) {
    hint = (error as { hint: string }).hint;
  }
  const known = /known architectures are ([\w, ]+);/.exec(hint)![1]!.split(', ');
  expect(listed.length).toBeGreaterThan(10);
  expect(known).toEqual(expect.arrayContaining(listed));
});
