import { z } from 'zod';
import { parseConfig } from '../config.ts';
import type { ModelFamily } from '../family.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder, LLAMA_FIELDS, MLP_LINEARS } from './llama-decoder.ts';

/** Defaults are those of Hugging Face's LlamaConfig. */
const CONFIG = z.object({
  ...LLAMA_FIELDS,
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

/** LLaMA 1 to 3 and the models that share its code (TinyLlama, SmolLM, ...). */
export const llama: ModelFamily = {
  name: 'llama',
  architectures: ['LlamaForCausalLM'],
  modelTypes: ['llama'],
  describe(raw) {
    const config = parseConfig(CONFIG, raw);
    const biased = new Set<string>([
      ...(config.attention_bias ? ATTENTION_LINEARS : []),
      ...(config.mlp_bias ? MLP_LINEARS : []),
    ]);
    return describeLlamaDecoder(config, { family: 'llama', biased });
  },
};
