import { describeModel } from '@esparse/model';
import { threadsOfBlocks, threadsOfGradients } from './model-threads.ts';

const model = (sizes: Record<string, number>) =>
  describeModel({
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 2,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 1000,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    ...sizes,
  });

test('the smallest matrix with more outputs than a run has tokens says how many threads give the bits of one', () => {
  // Keys and values have 1024 outputs, queries and what attention gives 4096.
  expect(threadsOfBlocks(model({}), 512)).toBe(12);
  expect(threadsOfBlocks(model({}), 1024)).toBe(51);
  expect(threadsOfBlocks(model({}), 4096)).toBe(179);
});

test('small models with more tokens than channels have the same bits with any number of threads', () => {
  const sizes = { hidden_size: 64, intermediate_size: 128, num_attention_heads: 4, num_key_value_heads: 2 };
  expect(threadsOfBlocks(model(sizes), 256)).toBe(Infinity);
});

test('gradients are computed by no more threads than give the bits of one', () => {
  const of = (sequences: number) => threadsOfGradients(model({}), { seqlen: 512, sequences });
  expect(of(1)).toBe(12);
  expect(of(16)).toBeGreaterThanOrEqual(64);
});
