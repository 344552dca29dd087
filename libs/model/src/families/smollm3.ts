import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { count, optional, positions, positive } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_BLOCKS } from '../limits.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder, LLAMA_FIELDS, MLP_LINEARS } from './llama-decoder.ts';
import { LAYER_TYPE_FIELDS, slidingLayers } from './layer-types.ts';

/** SmolLM3: LLaMA's shape, with layers that turn neither q nor k: they tell positions by the mask alone. */
export const smollm3 = defineFamily({
  name: 'smollm3',
  architectures: ['SmolLM3ForCausalLM'],
  modelTypes: ['smollm3'],
  /** Defaults are those of Hugging Face's SmolLM3Config. */
  config: z.object({
    ...LLAMA_FIELDS,
    ...LAYER_TYPE_FIELDS,
    max_position_embeddings: positions().default(32768),
    tie_word_embeddings: z.boolean().default(true),
    rope_theta: positive().default(2_000_000),
    use_sliding_window: z.boolean().default(false),
    sliding_window: positions().nullable().default(null),
    /** 1 for a layer that turns, 0 for one that does not. */
    no_rope_layers: optional(z.array(z.number().int().min(0).max(1))),
    no_rope_layer_interval: count(MAX_BLOCKS).default(4),
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
  }),
  describe(config) {
    const turning = config.no_rope_layers;
    if (turning && turning.length < config.num_hidden_layers) {
      throw new EsparseError(
        'checkpoint',
        `config.json: no_rope_layers names ${turning.length} of ${config.num_hidden_layers} layers (num_hidden_layers)`,
      );
    }
    const turns = (layer: number) =>
      turning ? turning[layer] === 1 : (layer + 1) % config.no_rope_layer_interval !== 0;
    const sliding = slidingLayers(config, (layer) => !turns(layer));
    return describeLlamaDecoder(config, {
      biased: new Set<string>([
        ...(config.attention_bias ? ATTENTION_LINEARS : []),
        ...(config.mlp_bias ? MLP_LINEARS : []),
      ]),
      layer: (layer) => ({
        ...(turns(layer) ? {} : { rope: null }),
        window: config.use_sliding_window && sliding(layer) ? config.sliding_window : null,
      }),
    });
  },
});
