import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { count, optional, parseConfig, positions, positive } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_BLOCKS, MAX_HEAD_DIM } from '../limits.ts';
import { ropeFromConfig } from '../rope/config.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';
import { LAYER_TYPE_FIELDS, slidingLayers } from './layer-types.ts';

/** Defaults are those of Hugging Face's Gemma3TextConfig. */
const CONFIG = z.object({
  ...LLAMA_FIELDS,
  ...LAYER_TYPE_FIELDS,
  head_dim: count(MAX_HEAD_DIM).default(256),
  hidden_activation: z.string().default('gelu_pytorch_tanh'),
  max_position_embeddings: positions().default(131_072),
  tie_word_embeddings: z.boolean().default(true),
  attention_bias: z.boolean().default(false),
  query_pre_attn_scalar: positive().default(256),
  sliding_window: positions().nullable().default(4096),
  /** Of so many layers one attends to all positions, where `layer_types` does not say it. */
  sliding_window_pattern: count(MAX_BLOCKS).default(6),
  rope_local_base_freq: positive().default(10_000),
  attn_logit_softcapping: optional(z.number()),
  final_logit_softcapping: optional(z.number()),
  use_bidirectional_attention: optional(z.boolean()),
});

/**
 * The language model of Gemma 3 (arXiv 2503.19786): norms of weight 1 + w around attention and MLP and on q and k, layers
 * with a window between layers without, each kind with its own rotary base, a gated gelu, and a scaled embedding.
 */
export const gemma3 = defineFamily({
  name: 'gemma3',
  architectures: ['Gemma3ForCausalLM'],
  modelTypes: ['gemma3_text'],
  config: CONFIG,
  describe(config) {
    requireSupported(config);
    const { rope_parameters: parameters, max_position_embeddings: reach } = config;
    const local = parameters?.sliding_attention ?? { rope_theta: config.rope_local_base_freq };
    const global = parameters?.full_attention ?? {
      ...config.rope_scaling,
      rope_theta: config.rope_theta ?? 1_000_000,
    };
    const localRope = ropeFromConfig({ rope_parameters: parameterised(local) }, config.head_dim, reach);
    const sliding = slidingLayers(config, (layer) => (layer + 1) % config.sliding_window_pattern !== 0);
    const description = describeLlamaDecoder(
      {
        ...config,
        hidden_act: config.hidden_activation,
        rope_parameters: parameterised(global),
      },
      {
        biased: new Set(config.attention_bias ? ATTENTION_LINEARS : []),
        norms: 'around',
        normOffset: 1,
        queryKeyNorm: 'head',
        embeddingScale: Math.sqrt(config.hidden_size),
        attentionScale: config.query_pre_attn_scalar ** -0.5,
        layer: (layer) => (sliding(layer) ? { rope: localRope, window: config.sliding_window } : {}),
      },
    );
    // max_position_embeddings says how far the scaled positions reach.
    return { ...description, maxPositions: reach };
  },
});

/** The rotary parameters of one type of layer. */
function parameterised(parameters: unknown): Record<string, unknown> {
  return parseConfig(z.record(z.string(), z.unknown()), parameters, 'rope_parameters');
}

function requireSupported(config: z.infer<typeof CONFIG>): void {
  const problems = [
    config.attn_logit_softcapping ? [`attn_logit_softcapping ${config.attn_logit_softcapping}`] : [],
    config.final_logit_softcapping ? [`final_logit_softcapping ${config.final_logit_softcapping}`] : [],
    config.use_bidirectional_attention ? ['use_bidirectional_attention'] : [],
  ].flat();
  if (problems.length === 0) return;
  throw new EsparseError('unsupported', `config.json: ${problems.join(', ')}: not supported`, {
    hint: 'Gemma 3 is known as in its published models, which have none of that',
  });
}
