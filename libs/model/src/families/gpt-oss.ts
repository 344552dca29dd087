import { z } from 'zod';
import type { FusedTensor } from '@esparse/checkpoint';
import { count, positions, positive } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { expertPart } from '../expert.ts';
import { MAX_EXPERTS, MAX_HEAD_DIM } from '../limits.ts';
import { ATTENTION_LINEARS, describeLlamaDecoder, LLAMA_FIELDS } from './llama-decoder.ts';
import { LAYER_TYPE_FIELDS, slidingLayers } from './layer-types.ts';

/** Defaults are those of Hugging Face's GptOssConfig. */
const CONFIG = z.object({
  ...LLAMA_FIELDS,
  ...LAYER_TYPE_FIELDS,
  head_dim: count(MAX_HEAD_DIM).default(64),
  max_position_embeddings: positions().default(131_072),
  rms_norm_eps: positive().default(1e-5),
  rope_theta: positive().default(150_000),
  attention_bias: z.boolean().default(true),
  sliding_window: positions().nullable().default(128),
  num_local_experts: count(MAX_EXPERTS).default(128),
  num_experts_per_tok: count(MAX_EXPERTS).default(4),
  swiglu_alpha: positive().default(1.702),
  swiglu_limit: positive().default(7),
});

/** How it turns where config.json does not say it. */
const ROPE = { rope_type: 'yarn', factor: 32, original_max_position_embeddings: 4096, truncate: false };

/**
 * gpt-oss (arXiv 2508.10925): layers with a window and layers without take turns, a sink in each head's softmax, biases
 * everywhere, and in the place of every MLP a mixture of experts, whose SwiGLU is clamped.
 */
export const gptOss = defineFamily({
  name: 'gpt-oss',
  architectures: ['GptOssForCausalLM'],
  modelTypes: ['gpt_oss'],
  quantizations: ['mxfp4'],
  config: CONFIG,
  describe(config) {
    const sliding = slidingLayers(config, (layer) => layer % 2 === 0);
    const { rope_scaling, rope_parameters } = config;
    const description = describeLlamaDecoder(
      { ...config, rope_parameters: rope_parameters ?? rope_scaling ?? ROPE },
      {
        biased: new Set(config.attention_bias ? ATTENTION_LINEARS : []),
        sinks: true,
        activation: { alpha: config.swiglu_alpha, limit: config.swiglu_limit },
        layer: (layer) => ({ window: sliding(layer) ? config.sliding_window : null }),
        mixture: {
          experts: config.num_local_experts,
          top: config.num_experts_per_tok,
          inner: config.intermediate_size,
          // The softmax of those that are chosen.
          normalise: true,
          part: 'mlp',
          router: 'router',
          biased: true,
          names: ['gate_proj', 'up_proj', 'down_proj'],
        },
      },
    );
    return { ...description, fusedTensors: (block) => expertTensors(config, block) };
  },
});

/**
 * What the checkpoint keeps of all experts in one tensor each: matrices are transposed or in blocks, and the rows of gate and
 * up take turns.
 */
function expertTensors(
  {
    num_local_experts: experts,
    hidden_size: hidden,
    intermediate_size: inner,
  }: Pick<z.infer<typeof CONFIG>, 'num_local_experts' | 'hidden_size' | 'intermediate_size'>,
  block: number,
): FusedTensor[] {
  const part = `model.layers.${block}.mlp`;
  const tensors = (name: string, linears: readonly string[], rows: number, cols: number): FusedTensor[] => {
    const all = rows * linears.length;
    const stored = `${part}.experts.${name}`;
    const partsOf = (kind: string) =>
      Array.from({ length: experts }, (_, expert) =>
        linears.map((linear) => ({ name: `${part}.${expertPart(expert, linear)}.${kind}`, rows })),
      ).flat();
    const shared = { stack: experts, interleaved: linears.length > 1 };
    return [
      {
        ...shared,
        name: stored,
        shape: [experts, cols, all],
        transposed: true,
        mxfp4: { blocks: `${stored}_blocks`, scales: `${stored}_scales` },
        parts: partsOf('weight'),
      },
      { ...shared, name: `${stored}_bias`, shape: [experts, all], parts: partsOf('bias') },
    ];
  };
  return [
    ...tensors('gate_up_proj', ['gate_proj', 'up_proj'], inner, hidden),
    ...tensors('down_proj', ['down_proj'], hidden, inner),
  ];
}
