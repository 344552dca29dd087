import { z } from 'zod';
import type { FusedTensor } from '@esparse/checkpoint';
import { count, optional, positions, positive, refuseSettings } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_BLOCKS, MAX_HEADS, MAX_HIDDEN, MAX_INTERMEDIATE, MAX_VOCAB } from '../limits.ts';
import type { Activation } from '../operations/activation.ts';
import { describeLayerNormDecoder } from './layer-norm-decoder.ts';

/** Defaults are those of Hugging Face's GPT2Config. */
const CONFIG = z.object({
  n_embd: count(MAX_HIDDEN).default(768),
  n_inner: optional(count(MAX_INTERMEDIATE)),
  n_layer: count(MAX_BLOCKS).default(12),
  n_head: count(MAX_HEADS).default(12),
  vocab_size: count(MAX_VOCAB).default(50257),
  n_positions: positions().default(1024),
  activation_function: z.string().default('gelu_new'),
  layer_norm_epsilon: positive().default(1e-5),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
});

/** By the names that config.json gives them. */
const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map([
  ['gelu_new', 'gelu'],
  ['gelu_pytorch_tanh', 'gelu'],
  ['relu', 'relu'],
]);

const BASE = 'transformer.';

/**
 * GPT-2: OPT's shape with GELU. Its matrices are transposed in the checkpoint, as those of a convolution of width 1, and
 * q, k, v are one.
 */
export const gpt2 = defineFamily({
  name: 'gpt2',
  architectures: ['GPT2LMHeadModel'],
  modelTypes: ['gpt2'],
  config: CONFIG,
  describe(config) {
    const { n_embd: hidden, n_inner, activation_function: named } = config;
    const inner = n_inner ?? 4 * hidden;
    const activation = ACTIVATIONS.get(named);
    refuseSettings(
      [
        activation === undefined && `activation_function '${named}'`,
        !config.scale_attn_weights && 'scale_attn_weights false',
        config.scale_attn_by_inverse_layer_idx && 'scale_attn_by_inverse_layer_idx true',
        config.add_cross_attention && 'add_cross_attention true',
      ],
      'GPT-2 is known as in its own models, with gelu_new or relu',
    );
    const block = (k: number) => `${BASE}h.${k}`;
    return {
      ...describeLayerNormDecoder({
        hidden,
        inner,
        blocks: config.n_layer,
        heads: config.n_head,
        vocab: config.vocab_size,
        positions: config.n_positions,
        positionOffset: 0,
        epsilon: config.layer_norm_epsilon,
        activation: activation!,
        tied: config.tie_word_embeddings,
        names: {
          embedding: `${BASE}wte.weight`,
          positions: `${BASE}wpe.weight`,
          finalNorm: `${BASE}ln_f`,
          block,
          attentionNorm: 'ln_1',
          mlpNorm: 'ln_2',
          attention: 'attn.',
          mlp: 'mlp.',
        },
      }),
      basePrefix: BASE,
      // The mask of attention, which old checkpoints carry.
      ignoredTensors: [/\.attn\.(masked_)?bias$/],
      fusedTensors: (k) => [
        ...convolution(`${block(k)}.attn`, 'c_attn', hidden, ['q_proj', 'k_proj', 'v_proj'], hidden),
        ...convolution(`${block(k)}.attn`, 'c_proj', hidden, ['out_proj'], hidden),
        ...convolution(`${block(k)}.mlp`, 'c_fc', hidden, ['fc1'], inner),
        ...convolution(`${block(k)}.mlp`, 'c_proj', inner, ['fc2'], hidden),
      ],
    };
  },
});

/** One or several linears of so many rows each, as the checkpoint has them: a matrix (cols x all rows) and its biases. */
function convolution(
  part: string,
  name: string,
  cols: number,
  linears: readonly string[],
  rows: number,
): FusedTensor[] {
  const all = rows * linears.length;
  const partsOf = (kind: string) => linears.map((linear) => ({ name: `${part}.${linear}.${kind}`, rows }));
  return [
    { name: `${part}.${name}.weight`, shape: [cols, all], transposed: true, parts: partsOf('weight') },
    { name: `${part}.${name}.bias`, shape: [all], parts: partsOf('bias') },
  ];
}
