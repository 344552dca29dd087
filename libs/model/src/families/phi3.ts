import { z } from 'zod';
import { count, optional, positions, positive } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_HEAD_DIM } from '../limits.ts';
import { describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';

/**
 * Phi-3, Phi-3.5 and Phi-4 (arXiv 2404.14219), without mixture of experts: LLaMA's shape, with q, k, v in one tensor and
 * gate, up in another, a part of each head rotated in some versions, and LongRoPE in those for long contexts.
 */
export const phi3 = defineFamily({
  name: 'phi3',
  architectures: ['Phi3ForCausalLM'],
  modelTypes: ['phi3'],
  /** Defaults are those of Hugging Face's Phi3Config. */
  config: z.object({
    ...LLAMA_FIELDS,
    head_dim: optional(count(MAX_HEAD_DIM)),
    max_position_embeddings: positions().default(4096),
    original_max_position_embeddings: positions().default(4096),
    rms_norm_eps: positive().default(1e-5),
    sliding_window: positions().nullable().default(null),
  }),
  describe(config) {
    const { rope_scaling, rope_parameters, original_max_position_embeddings: original } = config;
    const given = rope_parameters ?? rope_scaling ?? {};
    // Their older config.json calls LongRoPE by other names, and keeps the trained length beside it.
    const older = given.rope_type ?? given.type;
    const type = older === 'su' || older === 'yarn' ? 'longrope' : older;
    const rope = {
      original_max_position_embeddings: original,
      ...given,
      ...(type !== undefined && { rope_type: type }),
    };
    const description = describeLlamaDecoder(
      { ...config, rope_parameters: rope },
      { layer: () => ({ window: config.sliding_window }) },
    );
    const rowsOf = (name: string) => description.linears.find((linear) => linear.name === name)!.rows;
    const fuse = (block: number, part: string, name: string, names: readonly string[]) => ({
      name: `model.layers.${block}.${part}.${name}.weight`,
      shape: [names.reduce((sum, one) => sum + rowsOf(one), 0), description.hidden] as const,
      parts: names.map((one) => ({ name: `model.layers.${block}.${part}.${one}.weight`, rows: rowsOf(one) })),
    });
    return {
      ...description,
      fusedTensors: (block) => [
        fuse(block, 'self_attn', 'qkv_proj', ['q_proj', 'k_proj', 'v_proj']),
        fuse(block, 'mlp', 'gate_up_proj', ['gate_proj', 'up_proj']),
      ],
    };
  },
});
