import { z } from 'zod';
import { defineFamily } from '../define-family.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder, LLAMA_FIELDS, MLP_LINEARS } from './llama-decoder.ts';

/** LLaMA 1 to 3 and the models that share its code (TinyLlama, SmolLM, ...). */
export const llama = defineFamily({
  name: 'llama',
  architectures: ['LlamaForCausalLM'],
  modelTypes: ['llama'],
  /** Defaults are those of Hugging Face's LlamaConfig. */
  config: z.object({
    ...LLAMA_FIELDS,
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
  }),
  describe(config) {
    const biased = new Set<string>([
      ...(config.attention_bias ? ATTENTION_LINEARS : []),
      ...(config.mlp_bias ? MLP_LINEARS : []),
    ]);
    return describeLlamaDecoder(config, { biased });
  },
});
