import { z } from 'zod';
import { positions } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';
import { LAYER_TYPE_FIELDS, slidingLayers } from './layer-types.ts';

/** The fields of config.json that Qwen2 and Qwen3 have beside LLaMA's; defaults are those of Hugging Face. */
export const QWEN_FIELDS = {
  ...LLAMA_FIELDS,
  ...LAYER_TYPE_FIELDS,
  max_position_embeddings: positions().default(32768),
  use_sliding_window: z.boolean().default(false),
  sliding_window: positions().nullable().default(4096),
  max_window_layers: z.number().int().min(0).default(28),
};

/** The window of each layer: the last ones have one, from `max_window_layers` on. */
export function qwenWindows(config: z.infer<z.ZodObject<typeof QWEN_FIELDS>>) {
  const sliding = slidingLayers(config, (layer) => layer >= config.max_window_layers);
  return (layer: number) => ({
    window: config.use_sliding_window && sliding(layer) ? config.sliding_window : null,
  });
}

/** Qwen2 and Qwen2.5, without mixture of experts: LLaMA's shape with biases on q, k and v. */
export const qwen2 = defineFamily({
  name: 'qwen2',
  architectures: ['Qwen2ForCausalLM'],
  modelTypes: ['qwen2'],
  config: z.object(QWEN_FIELDS),
  describe: (config) =>
    describeLlamaDecoder(config, {
      biased: new Set(['q_proj', 'k_proj', 'v_proj']),
      layer: qwenWindows(config),
    }),
});
