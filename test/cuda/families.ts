import type { Sizes } from './random-store.ts';

/** A family, or a way to be one, and what its laws are tried on. */
export interface FamilyCase {
  /** Fields of config.json besides a LLaMA's of these sizes. */
  readonly config: (sizes: Sizes) => Readonly<Record<string, unknown>>;
  /** Without pruning. @default false */
  readonly dense?: boolean;
  /**
   * Whether tokens are sent to experts: which ones can differ where two are nearly as likely, so a few positions are let be far
   * from the processor's. @default false
   */
  readonly routed?: boolean;
  /** Bits of linears and tables that are integers with scales, by their names. @default none is */
  readonly integers?: (name: string) => 4 | 8 | undefined;
  /** Linears that must be dense bf16 on the device, though they are stored in another way. @default not looked at */
  readonly expanded?: number;
}

const llama = (config: Readonly<Record<string, unknown>>, dense = false): FamilyCase => ({
  config: () => ({ head_dim: 64, ...config }),
  dense,
});
const named = (name: string, config: Readonly<Record<string, unknown>> = {}) =>
  llama({ architectures: [`${name}ForCausalLM`], ...config });

/** OPT and GPT-2 by the names that these have for sizes. */
const opt =
  (config: Readonly<Record<string, unknown>> = {}): FamilyCase['config'] =>
  (sizes) => ({
    architectures: ['OPTForCausalLM'],
    ffn_dim: sizes.intermediate_size,
    max_position_embeddings: 1024,
    ...config,
  });
const gpt2: FamilyCase['config'] = (sizes) => ({
  architectures: ['GPT2LMHeadModel'],
  ...{ n_embd: sizes.hidden_size, n_inner: sizes.intermediate_size, n_layer: sizes.num_hidden_layers },
  ...{ n_head: sizes.num_attention_heads, n_positions: 1024 },
});

const mixture = (name: string, config: Readonly<Record<string, unknown>>): FamilyCase => ({
  ...named(name, config),
  routed: true,
});

/** Names of linears and tables; norms and biases are never integers. */
const integersOf = (bits: (name: string) => 4 | 8 | undefined, dense = false, more = {}): FamilyCase => ({
  ...llama(more, dense),
  integers: bits,
  expanded: 0,
});

/** What `--device cuda` serves. */
export const FAMILIES: Readonly<Record<string, FamilyCase>> = {
  'LLaMA, dense': llama({}, true),
  'LLaMA: biases of all linears': llama({ attention_bias: true, mlp_bias: true }),
  'LLaMA: GELU': llama({ hidden_act: 'gelu_new' }),
  'LLaMA, heads of 80 channels': llama({ head_dim: 80 }),
  // With more outputs, as they lie on the device, than o has inputs.
  'LLaMA, heads of 16 channels': llama({ head_dim: 16, num_attention_heads: 8 }),
  'LLaMA, 3 query heads to a key head, sizes that fill no block, a tied head': llama({
    ...{ hidden_size: 576, intermediate_size: 1500, num_attention_heads: 9, num_key_value_heads: 3 },
    tie_word_embeddings: true,
  }),
  'LLaMA 3: long waves stretched': llama({
    rope_scaling: {
      ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 256,
    },
  }),
  'Mistral: a window of 33 tokens': named('Mistral', { sliding_window: 33 }),
  'Qwen2: biases of q, k and v': named('Qwen2'),
  'Qwen2 with YaRN': named('Qwen2', {
    rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128 },
  }),
  'Qwen2, 7 query heads to a key head': named('Qwen2', { hidden_size: 896, num_attention_heads: 14 }),
  'Qwen2, the layers from the second on with a window': named('Qwen2', {
    use_sliding_window: true,
    sliding_window: 33,
    max_window_layers: 1,
  }),
  'Qwen3: norms of the heads of q and k': named('Qwen3', { head_dim: 128 }),
  'Qwen3, heads of 32 channels': named('Qwen3', { head_dim: 32 }),
  'Granite: multipliers': named('Granite', {
    ...{ embedding_multiplier: 12, attention_multiplier: 0.05, residual_multiplier: 0.22, logits_scaling: 8 },
  }),
  'SmolLM3: layers that do not turn': {
    config: ({ num_hidden_layers }) => ({
      architectures: ['SmolLM3ForCausalLM'],
      head_dim: 64,
      no_rope_layers: Array.from({ length: num_hidden_layers }, (_, layer) => (layer + 1) % 2),
    }),
  },
  'Phi-3: heads that turn in part': named('Phi3', { head_dim: undefined, partial_rotary_factor: 0.75 }),
  'Phi-3, heads of 96 channels': {
    config: ({ num_attention_heads }) => ({
      architectures: ['Phi3ForCausalLM'],
      hidden_size: 96 * num_attention_heads,
    }),
  },
  'OPT: layer norms, learned positions, biases, ReLU': { config: opt() },
  'OPT, dense, a head of its own': { config: opt({ tie_word_embeddings: false }), dense: true },
  'OPT, heads of 80 channels': {
    config: (sizes) => ({ ...opt()(sizes), hidden_size: 80 * sizes.num_attention_heads }),
  },
  'GPT-2: GELU': { config: gpt2 },
  'OLMo 2: norms behind attention and MLP, and of q and k as a whole': named('Olmo2'),
  'Gemma 3: heads of 256 channels, windows, norms around each part, GELU': named('Gemma3', {
    head_dim: 256,
    sliding_window: 33,
    sliding_window_pattern: 2,
  }),
  'Mixtral: 2 of 6 experts': mixture('Mixtral', { num_local_experts: 6 }),
  'Qwen3-MoE: 3 of 8 experts, shares as they are': mixture('Qwen3Moe', {
    ...{ num_experts: 8, num_experts_per_tok: 3, moe_intermediate_size: 100, norm_topk_prob: false },
  }),
  'Mixtral, dense': { ...mixture('Mixtral', { num_local_experts: 4 }), dense: true },
  'gpt-oss: sinks, a clamped SwiGLU, biases, windows': mixture('GptOss', {
    ...{ num_local_experts: 5, num_experts_per_tok: 2, sliding_window: 17 },
  }),
  'int8 survivors, head and embedding int8, too': integersOf(() => 8),
  'int4 survivors, head and embedding int4, too': integersOf(() => 4),
  'int8 survivors, attention that fills no block': integersOf(() => 8, false, {
    ...{ hidden_size: 576, num_attention_heads: 9, num_key_value_heads: 3 },
  }),
  'int4, nothing pruned, a tied head': integersOf(() => 4, true, { tie_word_embeddings: true }),
  'int8, nothing pruned': integersOf(() => 8, true),
  'integers of several kinds, and bf16': integersOf((name) =>
    /[qkv]_proj|lm_head/.test(name) ? 8 : /gate_proj|up_proj/.test(name) ? 4 : undefined,
  ),
  'OPT, int4 survivors and tables': { config: opt(), integers: () => 4 },
  'GPT-2, int8 survivors and tables': { config: gpt2, integers: () => 8 },
  'Mixtral, experts in bf16, all other linears and tables int8': {
    ...mixture('Mixtral', { num_local_experts: 4 }),
    integers: (name) => (/[qkvo]_proj|embed|lm_head/.test(name) ? 8 : undefined),
    expanded: 0,
  },
};
