import type { Sizes } from './random-store.ts';

/** A family, or a way to be one, and what its laws are tried on. */
export interface FamilyCase {
  /** Fields of config.json besides a LLaMA's of these sizes. */
  readonly config: (sizes: Sizes) => Readonly<Record<string, unknown>>;
  /** Without pruning. @default false */
  readonly dense?: boolean;
}

const of = (config: Readonly<Record<string, unknown>>, dense = false): FamilyCase => ({
  config: () => ({ head_dim: 64, ...config }),
  dense,
});

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

/** What `--device cuda` serves. */
export const FAMILIES: Readonly<Record<string, FamilyCase>> = {
  LLaMA: of({}),
  'LLaMA, dense': of({}, true),
  'OPT: layer norms, learned positions, biases, ReLU': { config: opt() },
  'OPT, dense, a head of its own': { config: opt({ tie_word_embeddings: false }), dense: true },
  'GPT-2: GELU': { config: gpt2 },
  'OLMo 2: norms behind attention and MLP, and of q and k as a whole': of({
    architectures: ['Olmo2ForCausalLM'],
  }),
  'Gemma 3: heads of 256 channels': of({
    architectures: ['Gemma3ForCausalLM'],
    head_dim: 256,
    sliding_window: 33,
    sliding_window_pattern: 2,
  }),
  'LLaMA, heads of 80 channels': of({ head_dim: 80 }),
  'LLaMA, heads of 16 channels': of({ head_dim: 16 }),
  'Qwen3, heads of 32 channels': of({ architectures: ['Qwen3ForCausalLM'], head_dim: 32 }),
  'LLaMA: biases of all linears': of({ attention_bias: true, mlp_bias: true }),
  'LLaMA, GELU': of({ hidden_act: 'gelu_new' }),
};
