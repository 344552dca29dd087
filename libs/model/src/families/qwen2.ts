import { z } from 'zod';
import { positions } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';
import { withinWindow } from './sliding-window.ts';

/** Qwen2 and Qwen2.5, without mixture of experts: LLaMA's shape with biases on q, k and v. */
export const qwen2 = defineFamily({
  name: 'qwen2',
  architectures: ['Qwen2ForCausalLM'],
  modelTypes: ['qwen2'],
  /** Defaults are those of Hugging Face's Qwen2Config. */
  config: z.object({
    ...LLAMA_FIELDS,
    max_position_embeddings: positions().default(32768),
    use_sliding_window: z.boolean().default(false),
    sliding_window: positions().nullable().default(4096),
  }),
  describe(config) {
    const description = describeLlamaDecoder(config, { biased: new Set(['q_proj', 'k_proj', 'v_proj']) });
    return withinWindow(description, config.use_sliding_window ? config.sliding_window : null);
  },
});
