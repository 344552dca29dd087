import type { RowTransform } from './row-transforms.ts';

/** An entry of the metadata, under the architecture's prefix, that is a field of config.json. */
export interface ConfigField {
  readonly key: string;
  readonly field: string;
  readonly type: 'u32' | 'f32';
  /** What a file without it means; without one it is an error. */
  readonly otherwise?: number | ((config: Numbers) => number);
}
type Numbers = Readonly<Record<string, number>>;

/** In what the architectures of ggml that are known differ. */
export interface Architecture {
  readonly architectures: readonly [string];
  readonly modelType: string;
  /** Norms of a block: ggml's name and Hugging Face's. */
  readonly norms: readonly (readonly [string, string])[];
  /** q and k are in ggml's order of rotary pairs. */
  readonly paired?: boolean;
  /** Norms have their weight + 1. */
  readonly norm1?: boolean;
  /** llama.cpp reads factors of rotary frequencies. */
  readonly ropeFactors?: boolean;
  /** Beside `FIELDS`. */
  readonly fields?: readonly ConfigField[];
  /** Fields of config.json that follow from others, as llama.cpp has them. */
  readonly implied?: (config: Numbers) => Numbers;
}

/** The fields that all of them have. */
export const FIELDS: readonly ConfigField[] = [
  { key: 'block_count', field: 'num_hidden_layers', type: 'u32' },
  { key: 'context_length', field: 'max_position_embeddings', type: 'u32' },
  { key: 'embedding_length', field: 'hidden_size', type: 'u32' },
  { key: 'feed_forward_length', field: 'intermediate_size', type: 'u32' },
  { key: 'attention.head_count', field: 'num_attention_heads', type: 'u32' },
  {
    key: 'attention.head_count_kv',
    field: 'num_key_value_heads',
    type: 'u32',
    otherwise: (config) => config.num_attention_heads!,
  },
  {
    key: 'attention.key_length',
    field: 'head_dim',
    type: 'u32',
    otherwise: (config) => config.hidden_size! / config.num_attention_heads!,
  },
  { key: 'attention.layer_norm_rms_epsilon', field: 'rms_norm_eps', type: 'f32' },
  { key: 'rope.freq_base', field: 'rope_theta', type: 'f32', otherwise: 10_000 },
];

const LLAMA_NORMS = [
  ['attn_norm', 'input_layernorm'],
  ['ffn_norm', 'post_attention_layernorm'],
] as const;
const HEAD_NORMS = [
  ['attn_q_norm', 'self_attn.q_norm'],
  ['attn_k_norm', 'self_attn.k_norm'],
] as const;

/** By ggml's names. */
export const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map<string, Architecture>([
  [
    'llama',
    {
      architectures: ['LlamaForCausalLM'],
      modelType: 'llama',
      norms: LLAMA_NORMS,
      paired: true,
      ropeFactors: true,
    },
  ],
  ['qwen2', { architectures: ['Qwen2ForCausalLM'], modelType: 'qwen2', norms: LLAMA_NORMS }],
  [
    'qwen3',
    { architectures: ['Qwen3ForCausalLM'], modelType: 'qwen3', norms: [...LLAMA_NORMS, ...HEAD_NORMS] },
  ],
  [
    'gemma3',
    {
      architectures: ['Gemma3ForCausalLM'],
      modelType: 'gemma3_text',
      norm1: true,
      norms: [
        ['attn_norm', 'input_layernorm'],
        ['post_attention_norm', 'post_attention_layernorm'],
        ['ffn_norm', 'pre_feedforward_layernorm'],
        ['post_ffw_norm', 'post_feedforward_layernorm'],
        ...HEAD_NORMS,
      ],
      fields: [
        { key: 'attention.sliding_window', field: 'sliding_window', type: 'u32' },
        { key: 'rope.freq_base_swa', field: 'rope_local_base_freq', type: 'f32', otherwise: 10_000 },
      ],
      // The model of 62 blocks alone is scaled by another width than that of its heads.
      implied: ({ num_hidden_layers, hidden_size, num_attention_heads, head_dim }) => ({
        query_pre_attn_scalar: num_hidden_layers === 62 ? hidden_size! / num_attention_heads! : head_dim!,
      }),
    },
  ],
  [
    'olmo2',
    {
      architectures: ['Olmo2ForCausalLM'],
      modelType: 'olmo2',
      norms: [
        ['post_attention_norm', 'post_attention_layernorm'],
        ['post_ffw_norm', 'post_feedforward_layernorm'],
        ...HEAD_NORMS,
      ],
    },
  ],
  [
    'smollm3',
    { architectures: ['SmolLM3ForCausalLM'], modelType: 'smollm3', norms: LLAMA_NORMS, paired: true },
  ],
  [
    'granite',
    {
      architectures: ['GraniteForCausalLM'],
      modelType: 'granite',
      norms: LLAMA_NORMS,
      paired: true,
      ropeFactors: true,
      fields: [
        { key: 'embedding_scale', field: 'embedding_multiplier', type: 'f32', otherwise: 1 },
        {
          key: 'attention.scale',
          field: 'attention_multiplier',
          type: 'f32',
          otherwise: (config) => config.head_dim! ** -0.5,
        },
        { key: 'residual_scale', field: 'residual_multiplier', type: 'f32', otherwise: 1 },
        { key: 'logit_scale', field: 'logits_scaling', type: 'f32' },
      ],
    },
  ],
]);

const OUTER = [
  ['token_embd', 'model.embed_tokens'],
  ['output_norm', 'model.norm'],
  ['output', 'lm_head'],
] as const;

const LINEARS = [
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
] as const;

/** The embedding, which is the head too where there is no tensor `HEAD`. */
export const EMBEDDING = 'token_embd.weight';
export const HEAD = 'output.weight';
/** Factors that rotary frequencies are divided by. */
export const ROPE_FACTORS = 'rope_freqs.weight';

/** A tensor in a GGUF file, and in the checkpoint. */
export interface NamedTensor {
  /** ggml's name. */
  readonly source: string;
  /** Hugging Face's. */
  readonly name: string;
  readonly transform?: RowTransform;
}

/** The tensors that models of an architecture may have. */
export function tensorNames(
  { norms, paired = false, norm1 = false }: Architecture,
  { blocks, heads, kvHeads }: { readonly blocks: number; readonly heads: number; readonly kvHeads: number },
): NamedTensor[] {
  const named: NamedTensor[] = [];
  const add = (source: string, name: string, transform?: RowTransform) =>
    named.push({ source, name, ...(transform !== undefined && { transform }) });
  const norm: RowTransform | undefined = norm1 ? { kind: 'added', amount: 1 } : undefined;
  for (const [source, name] of OUTER) {
    add(`${source}.weight`, `${name}.weight`, source === 'output_norm' ? norm : undefined);
  }
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [`blk.${block}`, `model.layers.${block}`];
    for (const [source, name] of norms) add(`${from}.${source}.weight`, `${to}.${name}.weight`, norm);
    for (const [source, name] of LINEARS) {
      const turned = paired && (source === 'attn_q' || source === 'attn_k');
      const pairs: RowTransform | undefined = turned
        ? { kind: 'paired', heads: source === 'attn_q' ? heads : kvHeads }
        : undefined;
      for (const part of ['weight', 'bias']) add(`${from}.${source}.${part}`, `${to}.${name}.${part}`, pairs);
    }
  }
  return named;
}
