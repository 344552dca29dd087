import { EsparseError } from '@esparse/errors';
import type { GgufHeader } from './header.ts';
import { Metadata } from './metadata.ts';

/** How the rows of a tensor become those of the checkpoint that it was made from. */
export type RowTransform =
  /** Within each head the two halves of a rotary pair lie side by side: they are put into halves again. */
  | { readonly kind: 'unpair'; readonly heads: number }
  /** A constant was added to each element. */
  | { readonly kind: 'subtract'; readonly amount: number };

/** A GGUF file as a Hugging Face checkpoint. */
export interface GgufModel {
  readonly config: Readonly<Record<string, unknown>>;
  /** By the checkpoint's names. */
  readonly tensors: ReadonlyMap<string, { readonly source: string; readonly transform?: RowTransform }>;
  /** A tensor of factors that rotary frequencies are divided by, which belongs into config.json. */
  readonly ropeFactors?: string;
}

/** In what the architectures of ggml that are known differ. */
interface Architecture {
  readonly architectures: readonly [string];
  readonly modelType: string;
  /** Norms of a block: ggml's name and Hugging Face's. */
  readonly norms: readonly (readonly [string, string])[];
  /** q and k were put into ggml's order of rotary pairs. */
  readonly paired?: boolean;
  /** Norms were given their weight + 1. */
  readonly norm1?: boolean;
  readonly config?: (metadata: Metadata, prefix: string) => Readonly<Record<string, unknown>>;
}

const LLAMA_NORMS = [
  ['attn_norm', 'input_layernorm'],
  ['ffn_norm', 'post_attention_layernorm'],
] as const;
const HEAD_NORMS = [
  ['attn_q_norm', 'self_attn.q_norm'],
  ['attn_k_norm', 'self_attn.k_norm'],
] as const;

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([
  ['llama', { architectures: ['LlamaForCausalLM'], modelType: 'llama', norms: LLAMA_NORMS, paired: true }],
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
      config: (metadata, prefix) => ({
        sliding_window: metadata.number(`${prefix}.attention.sliding_window`),
        rope_local_base_freq: metadata.optionalNumber(`${prefix}.rope.freq_base_swa`) ?? 10_000,
        query_pre_attn_scalar: metadata.number(`${prefix}.attention.key_length`),
      }),
    },
  ],
] as [string, Architecture][]);

const LINEARS = [
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
] as const;

/** Blocks of a model, at most: names are made for each. */
const MAX_BLOCKS = 4096;

/**
 * Reads a file's architecture, as config.json and tensor names.
 * @throws EsparseError 'unsupported' for an architecture that is not known, 'checkpoint' for metadata that is missing
 */
export function ggufModel(header: GgufHeader, where: string): GgufModel {
  const metadata = new Metadata(header, where);
  const prefix = metadata.text('general.architecture');
  const known = ARCHITECTURES.get(prefix);
  if (known === undefined) {
    throw new EsparseError('unsupported', `${where}: the architecture '${prefix}' of GGUF is not known`, {
      hint: `known are ${[...ARCHITECTURES.keys()].join(', ')}; any family can be read from its safetensors checkpoint`,
    });
  }
  const number = (key: string) => metadata.number(`${prefix}.${key}`);
  const optional = (key: string) => metadata.optionalNumber(`${prefix}.${key}`);
  const heads = number('attention.head_count');
  const kvHeads = optional('attention.head_count_kv') ?? heads;
  const headDim = optional('attention.key_length') ?? number('embedding_length') / heads;
  const blocks = number('block_count');
  if (!Number.isInteger(blocks) || blocks < 1 || blocks > MAX_BLOCKS) {
    throw new EsparseError('checkpoint', `${where}: block_count of its metadata is ${blocks}`);
  }
  const config = {
    architectures: known.architectures,
    model_type: known.modelType,
    hidden_size: number('embedding_length'),
    intermediate_size: number('feed_forward_length'),
    num_hidden_layers: blocks,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    vocab_size: header.tensors.get('token_embd.weight')?.shape[0] ?? number('vocab_size'),
    max_position_embeddings: number('context_length'),
    rms_norm_eps: singlePrecision(number('attention.layer_norm_rms_epsilon')),
    rope_theta: optional('rope.freq_base') ?? 10_000,
    ...ropeScaling(metadata, prefix),
    tie_word_embeddings: !header.tensors.has('output.weight'),
    ...tokenIds(metadata),
    ...known.config?.(metadata, prefix),
  };
  const ropeFactors = header.tensors.has('rope_freqs.weight') ? 'rope_freqs.weight' : undefined;
  return {
    config,
    tensors: namesOf(header, known, { blocks, heads, kvHeads }),
    ...(ropeFactors !== undefined && { ropeFactors }),
  };
}

/** The shortest decimal number that is this f32: 1e-6 where the file has 9.999999974752427e-7. */
function singlePrecision(value: number): number {
  return Number(Math.fround(value).toPrecision(7));
}

function ropeScaling(metadata: Metadata, prefix: string): Readonly<Record<string, unknown>> {
  const type = metadata.optionalText(`${prefix}.rope.scaling.type`);
  if (type === undefined || type === 'none') return {};
  return {
    rope_scaling: {
      rope_type: type,
      factor: metadata.number(`${prefix}.rope.scaling.factor`),
      original_max_position_embeddings: metadata.optionalNumber(
        `${prefix}.rope.scaling.original_context_length`,
      ),
    },
  };
}

function tokenIds(metadata: Metadata): Readonly<Record<string, number>> {
  const id = (name: string) => metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`);
  return Object.fromEntries(
    (['bos', 'eos'] as const).flatMap((name) => {
      const found = id(name);
      return found === undefined ? [] : [[`${name}_token_id`, found]];
    }),
  );
}

function namesOf(
  { tensors }: GgufHeader,
  { norms, paired = false, norm1 = false }: Architecture,
  { blocks, heads, kvHeads }: { blocks: number; heads: number; kvHeads: number },
): GgufModel['tensors'] {
  const names = new Map<string, { source: string; transform?: RowTransform }>();
  const add = (source: string, name: string, transform?: RowTransform) => {
    if (tensors.has(source)) names.set(name, { source, ...(transform !== undefined && { transform }) });
  };
  const norm: RowTransform | undefined = norm1 ? { kind: 'subtract', amount: 1 } : undefined;
  add('token_embd.weight', 'model.embed_tokens.weight');
  add('output_norm.weight', 'model.norm.weight', norm);
  add('output.weight', 'lm_head.weight');
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [`blk.${block}`, `model.layers.${block}`];
    for (const [source, name] of norms) add(`${from}.${source}.weight`, `${to}.${name}.weight`, norm);
    for (const [source, name] of LINEARS) {
      const turned = paired && (source === 'attn_q' || source === 'attn_k');
      const unpair: RowTransform | undefined = turned
        ? { kind: 'unpair', heads: source === 'attn_q' ? heads : kvHeads }
        : undefined;
      for (const part of ['weight', 'bias'])
        add(`${from}.${source}.${part}`, `${to}.${name}.${part}`, unpair);
    }
  }
  return names;
}
