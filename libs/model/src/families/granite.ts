import { z } from 'zod';
import { positive } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder, LLAMA_FIELDS, MLP_LINEARS } from './llama-decoder.ts';

/** Granite 3, without mixture of experts: LLaMA's shape, with a multiplier at each place where scales meet. */
export const granite = defineFamily({
  name: 'granite',
  architectures: ['GraniteForCausalLM'],
  modelTypes: ['granite'],
  /** Defaults are those of Hugging Face's GraniteConfig. */
  config: z.object({
    ...LLAMA_FIELDS,
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
    embedding_multiplier: positive().default(1),
    attention_multiplier: positive().default(1),
    residual_multiplier: positive().default(1),
    /** What logits are divided by. */
    logits_scaling: positive().default(1),
  }),
  describe: (config) =>
    describeLlamaDecoder(config, {
      biased: new Set<string>([
        ...(config.attention_bias ? ATTENTION_LINEARS : []),
        ...(config.mlp_bias ? MLP_LINEARS : []),
      ]),
      embeddingScale: config.embedding_multiplier,
      attentionScale: config.attention_multiplier,
      residualScale: config.residual_multiplier,
      logitScale: 1 / config.logits_scaling,
    }),
});
