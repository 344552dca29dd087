import { z } from 'zod';
import { positions } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';
import { LAYER_TYPE_FIELDS, slidingLayers } from './layer-types.ts';

/** Mistral and Ministral, without mixture of experts: LLaMA's shape, with attention over a window in some versions. */
export const mistral = defineFamily({
  name: 'mistral',
  architectures: ['MistralForCausalLM'],
  modelTypes: ['mistral'],
  /** Defaults are those of Hugging Face's MistralConfig: a window that is not named is one of 4096, `null` is none. */
  config: z.object({
    ...LLAMA_FIELDS,
    ...LAYER_TYPE_FIELDS,
    max_position_embeddings: positions().default(4096 * 32),
    sliding_window: positions().nullable().default(4096),
  }),
  describe(config) {
    const sliding = slidingLayers(config, () => true);
    return describeLlamaDecoder(config, {
      layer: (layer) => ({ window: sliding(layer) ? config.sliding_window : null }),
    });
  },
});
