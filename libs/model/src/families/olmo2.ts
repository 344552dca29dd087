import { z } from 'zod';
import { positive } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';

/** OLMo 2 (arXiv 2501.00656): norms after attention and MLP instead of before them, and of q and k over all heads. */
export const olmo2 = defineFamily({
  name: 'olmo2',
  architectures: ['Olmo2ForCausalLM'],
  modelTypes: ['olmo2'],
  /** Defaults are those of Hugging Face's Olmo2Config. */
  config: z.object({
    ...LLAMA_FIELDS,
    rms_norm_eps: positive().default(1e-5),
    attention_bias: z.boolean().default(false),
  }),
  describe: (config) =>
    describeLlamaDecoder(config, {
      biased: new Set(config.attention_bias ? ATTENTION_LINEARS : []),
      norms: 'after',
      queryKeyNorm: 'width',
    }),
});
