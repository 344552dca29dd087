import { z } from 'zod';
import { count, optional } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_HEAD_DIM } from '../limits.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder } from './llama-decoder.ts';
import { QWEN_FIELDS, qwenWindows } from './qwen2.ts';

/** Qwen3, without mixture of experts: q and k are normalised, each head by itself, and heads have a width of their own. */
export const qwen3 = defineFamily({
  name: 'qwen3',
  architectures: ['Qwen3ForCausalLM'],
  modelTypes: ['qwen3'],
  /** Defaults are those of Hugging Face's Qwen3Config. */
  config: z.object({
    ...QWEN_FIELDS,
    head_dim: optional(count(MAX_HEAD_DIM)).default(128),
    attention_bias: z.boolean().default(false),
  }),
  describe: (config) =>
    describeLlamaDecoder(config, {
      biased: new Set(config.attention_bias ? ATTENTION_LINEARS : []),
      queryKeyNorm: 'head',
      layer: qwenWindows(config),
    }),
});
