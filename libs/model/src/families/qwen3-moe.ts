import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { count, optional } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_BLOCKS, MAX_EXPERTS, MAX_HEAD_DIM, MAX_INTERMEDIATE } from '../limits.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder } from './llama-decoder.ts';
import { QWEN_FIELDS, qwenWindows } from './qwen2.ts';

/** The number of experts where config.json names none, by Hugging Face's Qwen3MoeConfig. */
const DEFAULT_EXPERTS = 128;

/** Qwen3 with mixtures of experts (arXiv 2505.09388): Qwen3's blocks, some of which, or all, have a mixture for an MLP. */
export const qwen3Moe = defineFamily({
  name: 'qwen3-moe',
  architectures: ['Qwen3MoeForCausalLM'],
  modelTypes: ['qwen3_moe'],
  /** Defaults are those of Hugging Face's Qwen3MoeConfig. */
  config: z.object({
    ...QWEN_FIELDS,
    head_dim: optional(count(MAX_HEAD_DIM)),
    attention_bias: z.boolean().default(false),
    num_experts: optional(count(MAX_EXPERTS)),
    /** What newer versions of the library call `num_experts`. */
    num_local_experts: optional(count(MAX_EXPERTS)),
    num_experts_per_tok: count(MAX_EXPERTS).default(8),
    moe_intermediate_size: count(MAX_INTERMEDIATE).default(768),
    norm_topk_prob: z.boolean().default(false),
    /** Every so many layers there is a mixture... */
    decoder_sparse_step: count(MAX_BLOCKS).default(1),
    /** ...but not in these. */
    mlp_only_layers: optional(z.array(z.number().int().min(0))),
  }),
  describe(config) {
    const { num_experts: experts, num_local_experts: newer } = config;
    if (experts != null && newer != null && experts !== newer) {
      throw new EsparseError(
        'checkpoint',
        `config.json: num_experts is ${experts}, and num_local_experts, which means the same, ${newer}`,
      );
    }
    const windows = qwenWindows(config);
    const dense = new Set(config.mlp_only_layers ?? []);
    return describeLlamaDecoder(config, {
      biased: new Set(config.attention_bias ? ATTENTION_LINEARS : []),
      queryKeyNorm: 'head',
      layer: (layer) => ({
        ...windows(layer),
        mixture: !dense.has(layer) && (layer + 1) % config.decoder_sparse_step === 0,
      }),
      mixture: {
        experts: experts ?? newer ?? DEFAULT_EXPERTS,
        top: config.num_experts_per_tok,
        inner: config.moe_intermediate_size,
        normalise: config.norm_topk_prob,
        part: 'mlp',
        names: ['gate_proj', 'up_proj', 'down_proj'],
      },
    });
  },
});
