import { z } from 'zod';
import { positions } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';
import { withinWindow } from './sliding-window.ts';

/** Mistral, without mixture of experts: LLaMA's shape, with attention over a window in the first version. */
export const mistral = defineFamily({
  name: 'mistral',
  architectures: ['MistralForCausalLM'],
  modelTypes: ['mistral'],
  /** Defaults are those of Hugging Face's MistralConfig: a window that is not named is one of 4096, `null` is none. */
  config: z.object({
    ...LLAMA_FIELDS,
    max_position_embeddings: positions().default(4096 * 32),
    sliding_window: positions().nullable().default(4096),
  }),
  describe: (config) =>
    withinWindow(describeLlamaDecoder(config, { biased: new Set() }), config.sliding_window),
});
