import { z } from 'zod';
import { parseConfig, positions } from '../config.ts';
import type { ModelFamily } from '../family.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';
import { withinWindow } from './sliding-window.ts';

/** Defaults are those of Hugging Face's MistralConfig: a window that is not named is one of 4096, `null` is none. */
const CONFIG = z.object({
  ...LLAMA_FIELDS,
  max_position_embeddings: positions().default(4096 * 32),
  sliding_window: positions().nullable().default(4096),
});

/** Mistral, without mixture of experts: LLaMA's shape, with attention over a window in the first version. */
export const mistral: ModelFamily = {
  name: 'mistral',
  architectures: ['MistralForCausalLM'],
  modelTypes: ['mistral'],
  describe(raw) {
    const config = parseConfig(CONFIG, raw);
    const description = describeLlamaDecoder(config, { family: 'mistral', biased: new Set() });
    return withinWindow(description, config.sliding_window);
  },
};
