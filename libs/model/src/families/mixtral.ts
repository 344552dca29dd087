import { z } from 'zod';
import { count, positions, positive } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_EXPERTS } from '../limits.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';

/** Mixtral (arXiv 2401.04088): Mistral's blocks, with a mixture of experts in the place of the MLP. */
export const mixtral = defineFamily({
  name: 'mixtral',
  architectures: ['MixtralForCausalLM'],
  modelTypes: ['mixtral'],
  /** Defaults are those of Hugging Face's MixtralConfig. */
  config: z.object({
    ...LLAMA_FIELDS,
    max_position_embeddings: positions().default(4096 * 32),
    rms_norm_eps: positive().default(1e-5),
    sliding_window: positions().nullable().default(null),
    num_local_experts: count(MAX_EXPERTS).default(8),
    num_experts_per_tok: count(MAX_EXPERTS).default(2),
  }),
  describe: (config) =>
    describeLlamaDecoder(config, {
      layer: () => ({ window: config.sliding_window }),
      mixture: {
        experts: config.num_local_experts,
        top: config.num_experts_per_tok,
        inner: config.intermediate_size,
        normalise: true,
        part: 'block_sparse_moe',
        names: ['w1', 'w3', 'w2'],
      },
    }),
});
