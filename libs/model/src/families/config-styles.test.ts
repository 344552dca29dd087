/**
 * A config.json of before transformers 5 describes the model that the one does which transformers 5.24 makes of it: what
 * stands in the last column was written by that library (`AutoConfig`, `to_json_string(use_diff=False)`).
 */
import { tensorsOfBlock } from '../check-tensors.ts';
import { describeModel } from '../family.ts';
import { kindOf } from '../program.ts';

const SIZES = {
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 40,
  max_position_embeddings: 64,
};
const LLAMA3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
};
const GPT_OSS_YARN = {
  ...{ rope_type: 'yarn', factor: 4, beta_fast: 32, beta_slow: 1 },
  ...{ original_max_position_embeddings: 16, truncate: false },
};
const LONG = { short_factor: [1, 1.1, 1.2, 1.5], long_factor: [1, 2, 3, 4.5] };
const [FULL, SLIDING] = ['full_attention', 'sliding_attention'];
const plain = (rope_theta: number) => ({ rope_parameters: { rope_theta, rope_type: 'default' } });

/** All that is computed, and all that is read. */
function facts(config: Readonly<Record<string, unknown>>) {
  const description = describeModel(config);
  const { blocks, program, maxPositions, taps, linears, outerTensors } = description;
  return {
    ...{ maxPositions, taps, outerTensors },
    program: JSON.parse(JSON.stringify(program)) as unknown,
    linears: linears.map(({ name, tap, rows, cols }) => [name, tap, rows, cols]),
    blocks: Array.from({ length: blocks }, (_, block) => [
      kindOf(program, block),
      tensorsOfBlock(description, block),
    ]),
  };
}

test.each<[family: string, old: object, current: object]>([
  [
    'Llama',
    { rope_theta: 500_000, rope_scaling: LLAMA3 },
    { rope_parameters: { ...LLAMA3, rope_theta: 500_000 } },
  ],
  [
    'Llama',
    { rope_theta: 10_000, rope_scaling: { type: 'linear', factor: 2 } },
    { rope_parameters: { factor: 2, rope_theta: 10_000, rope_type: 'linear', type: 'linear' } },
  ],
  [
    'Llama',
    { rope_scaling: { type: 'dynamic', factor: 2 } },
    { rope_parameters: { factor: 2, rope_theta: 10_000, rope_type: 'dynamic', type: 'dynamic' } },
  ],
  // LLaMA 1: nothing of all this.
  ['Llama', {}, plain(10_000)],
  ['Mistral', { rope_theta: 1e6, sliding_window: 9 }, { ...plain(1e6), sliding_window: 9 }],
  ['Mistral', { rope_theta: 1e6, sliding_window: null }, { ...plain(1e6), sliding_window: null }],
  [
    'Qwen2',
    { rope_theta: 1e6, use_sliding_window: true, sliding_window: 6, max_window_layers: 2 },
    {
      ...plain(1e6),
      ...{ use_sliding_window: true, sliding_window: 6, max_window_layers: 2 },
      layer_types: [FULL, FULL, SLIDING, SLIDING],
    },
  ],
  [
    'Qwen2',
    { rope_theta: 1e6, use_sliding_window: false, sliding_window: 6, max_window_layers: 2 },
    {
      ...plain(1e6),
      ...{ use_sliding_window: false, sliding_window: null, max_window_layers: 2 },
      layer_types: [FULL, FULL, FULL, FULL],
    },
  ],
  [
    'Qwen2',
    {
      rope_theta: 1e6,
      rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 16 },
    },
    {
      ...{ use_sliding_window: false, sliding_window: null, layer_types: [FULL, FULL, FULL, FULL] },
      rope_parameters: {
        ...{ factor: 4, original_max_position_embeddings: 16 },
        ...{ rope_theta: 1e6, rope_type: 'yarn', type: 'yarn' },
      },
    },
  ],
  [
    'Qwen3',
    { rope_theta: 1e6, head_dim: 12, use_sliding_window: false, max_window_layers: 4 },
    {
      ...plain(1e6),
      ...{ head_dim: 12, use_sliding_window: false, sliding_window: null, max_window_layers: 4 },
      layer_types: [FULL, FULL, FULL, FULL],
    },
  ],
  [
    'SmolLM3',
    { rope_theta: 5e6, no_rope_layer_interval: 4 },
    { ...plain(5e6), no_rope_layers: [1, 1, 1, 0], layer_types: [FULL, FULL, FULL, FULL] },
  ],
  [
    'Gemma3',
    {
      ...{ head_dim: 16, query_pre_attn_scalar: 16, sliding_window: 5, sliding_window_pattern: 2 },
      ...{ rope_theta: 1e6, rope_local_base_freq: 10_000 },
      rope_scaling: { rope_type: 'linear', factor: 8 },
    },
    {
      ...{ head_dim: 16, query_pre_attn_scalar: 16, sliding_window: 5 },
      layer_types: [SLIDING, FULL, SLIDING, FULL],
      rope_parameters: {
        full_attention: { factor: 8, rope_theta: 1e6, rope_type: 'linear' },
        sliding_attention: { rope_theta: 10_000, rope_type: 'default' },
      },
    },
  ],
  [
    'Phi3',
    { rope_theta: 10_000, rope_scaling: null, sliding_window: 11, partial_rotary_factor: 0.5 },
    {
      sliding_window: 11,
      rope_parameters: { partial_rotary_factor: 0.5, rope_theta: 10_000, rope_type: 'default' },
    },
  ],
  [
    'Phi3',
    { rope_theta: 10_000, rope_scaling: { type: 'su', ...LONG }, original_max_position_embeddings: 16 },
    {
      original_max_position_embeddings: 16,
      rope_parameters: {
        ...{ rope_theta: 10_000, rope_type: 'longrope', original_max_position_embeddings: 16 },
        ...LONG,
      },
    },
  ],
  ['Olmo2', { rope_theta: 500_000 }, plain(500_000)],
  [
    'Mixtral',
    { rope_theta: 1e6, num_local_experts: 4, sliding_window: null },
    { ...plain(1e6), num_local_experts: 4, head_dim: null, sliding_window: null },
  ],
  [
    'Qwen3Moe',
    { rope_theta: 1e6, num_experts: 8, mlp_only_layers: [1], head_dim: 12, use_sliding_window: false },
    {
      ...plain(1e6),
      ...{ num_local_experts: 8, mlp_only_layers: [1], head_dim: 12 },
      ...{ use_sliding_window: false, sliding_window: null },
    },
  ],
  [
    'GptOss',
    {
      ...{ num_local_experts: 4, head_dim: 16, sliding_window: 9, experts_per_token: 4 },
      ...{ rope_theta: 150_000, rope_scaling: GPT_OSS_YARN, initial_context_length: 16 },
    },
    {
      ...{ num_local_experts: 4, num_experts_per_tok: 4, head_dim: 16, sliding_window: 9 },
      ...{ swiglu_alpha: 1.702, swiglu_limit: 7, attention_bias: true, rms_norm_eps: 1e-5 },
      rope_parameters: { ...GPT_OSS_YARN, rope_theta: 150_000 },
      layer_types: [SLIDING, FULL, SLIDING, FULL],
    },
  ],
  ['Granite', { rope_theta: 10_000, logits_scaling: 8 }, { ...plain(10_000), logits_scaling: 8 }],
])('%s: %j is what transformers 5 makes of it', (family, old, current) => {
  const architectures = [`${family}ForCausalLM`];
  const before = facts({ ...SIZES, architectures, torch_dtype: 'bfloat16', ...old });
  expect(before).toEqual(facts({ ...SIZES, architectures, dtype: 'bfloat16', ...current }));
});

test('GPT-2 and OPT have no fields of their own kind that changed', () => {
  for (const architecture of ['GPT2LMHeadModel', 'OPTForCausalLM']) {
    const config = { architectures: [architecture], vocab_size: 40 };
    const old = facts({ ...config, torch_dtype: 'float32', n_ctx: 1024 });
    expect(old).toEqual(facts({ ...config, dtype: 'float32' }));
  }
});
