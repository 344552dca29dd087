import { z } from 'zod';
import { count, optional, positions, refuseSettings } from '../config.ts';
import { defineFamily } from '../define-family.ts';
import { MAX_BLOCKS, MAX_HEADS, MAX_HIDDEN, MAX_INTERMEDIATE, MAX_VOCAB } from '../limits.ts';
import { describeLayerNormDecoder } from './layer-norm-decoder.ts';

/** Defaults are those of Hugging Face's OPTConfig. */
const CONFIG = z.object({
  hidden_size: count(MAX_HIDDEN).default(768),
  word_embed_proj_dim: optional(count(MAX_HIDDEN)),
  ffn_dim: count(MAX_INTERMEDIATE).default(3072),
  num_hidden_layers: count(MAX_BLOCKS).default(12),
  num_attention_heads: count(MAX_HEADS).default(12),
  vocab_size: count(MAX_VOCAB).default(50272),
  max_position_embeddings: positions().default(2048),
  activation_function: z.string().default('relu'),
  do_layer_norm_before: z.boolean().default(true),
  enable_bias: z.boolean().default(true),
  layer_norm_elementwise_affine: z.boolean().default(true),
  _remove_final_layer_norm: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
});
type OptConfig = z.infer<typeof CONFIG>;

/** OPT's table of positions begins with two rows that no token uses. */
const POSITION_OFFSET = 2;
/** PyTorch's default, which OPT keeps. */
const EPSILON = 1e-5;

const DECODER = 'model.decoder';

/** OPT (arXiv 2205.01068): LayerNorm before each part, learned positions, biases, ReLU. */
export const opt = defineFamily({
  name: 'opt',
  architectures: ['OPTForCausalLM'],
  modelTypes: ['opt'],
  config: CONFIG,
  describe(config) {
    requireSupported(config);
    return describeLayerNormDecoder({
      hidden: config.hidden_size,
      inner: config.ffn_dim,
      blocks: config.num_hidden_layers,
      heads: config.num_attention_heads,
      vocab: config.vocab_size,
      positions: config.max_position_embeddings,
      positionOffset: POSITION_OFFSET,
      epsilon: EPSILON,
      activation: 'relu',
      tied: config.tie_word_embeddings,
      names: {
        embedding: `${DECODER}.embed_tokens.weight`,
        positions: `${DECODER}.embed_positions.weight`,
        finalNorm: `${DECODER}.final_layer_norm`,
        block: (block) => `${DECODER}.layers.${block}`,
        attentionNorm: 'self_attn_layer_norm',
        mlpNorm: 'final_layer_norm',
        attention: 'self_attn.',
        mlp: '',
      },
    });
  },
});

/** Of the published models only the 350M one is refused: its norms come after each part, its embedding is narrower. */
function requireSupported(config: OptConfig): void {
  const { hidden_size: hidden } = config;
  const embedded = config.word_embed_proj_dim ?? hidden;
  refuseSettings(
    [
      config.activation_function !== 'relu' && `activation_function '${config.activation_function}'`,
      !config.do_layer_norm_before && 'do_layer_norm_before false',
      !config.enable_bias && 'enable_bias false',
      !config.layer_norm_elementwise_affine && 'layer_norm_elementwise_affine false',
      config._remove_final_layer_norm && '_remove_final_layer_norm true',
      embedded !== hidden && `word_embed_proj_dim ${embedded} beside hidden_size ${hidden}`,
    ],
    'OPT is known as in its models of 125M and of 1.3B and more',
  );
}
