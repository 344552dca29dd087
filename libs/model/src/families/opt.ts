import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { count, optional, positions } from '../config.ts';
import { defineFamily, type FamilyDescription } from '../define-family.ts';
import { biasSlot, type BlockTensorSpec, type LinearSpec } from '../description.ts';
import { MAX_BLOCKS, MAX_HEADS, MAX_HIDDEN, MAX_INTERMEDIATE, MAX_VOCAB } from '../limits.ts';
import type { BlockOp } from '../operations/index.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT, LOGITS } from '../program.ts';

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
  describe,
});

function describe(config: OptConfig): FamilyDescription {
  requireSupported(config);
  const { hidden_size: hidden, vocab_size: vocab, ffn_dim: inner } = config;
  const linears = linearsOf(config);
  const embedding = `${DECODER}.embed_tokens.weight`;
  const positionTable = `${DECODER}.embed_positions.weight`;
  const finalNorm = `${DECODER}.final_layer_norm`;
  const head = config.tie_word_embeddings ? embedding : 'lm_head.weight';
  const outer = [
    { name: embedding, shape: [vocab, hidden] },
    { name: positionTable, shape: [config.max_position_embeddings + POSITION_OFFSET, hidden] },
    { name: `${finalNorm}.weight`, shape: [hidden] },
    { name: `${finalNorm}.bias`, shape: [hidden] },
  ];
  if (!config.tie_word_embeddings) outer.push({ name: head, shape: [vocab, hidden] });
  return {
    hidden,
    blocks: config.num_hidden_layers,
    vocab,
    maxPositions: config.max_position_embeddings,
    taps: [
      { name: 'attn_in', channels: hidden },
      { name: 'attn_out', channels: hidden },
      { name: 'mlp_in', channels: hidden },
      { name: 'mlp_out', channels: inner },
    ],
    linears,
    blockTensors: (block) => blockTensors(block, hidden, linears),
    outerTensors: outer,
    program: {
      embed: [
        { op: 'embedding', table: embedding, index: 'token', offset: 0, output: 'token' },
        {
          op: 'embedding',
          table: positionTable,
          index: 'position',
          offset: POSITION_OFFSET,
          output: 'position',
        },
        { op: 'add', left: 'token', right: 'position', output: BLOCK_INPUT },
      ],
      blocks: [blockProgram(config.num_attention_heads, hidden / config.num_attention_heads)],
      head: [
        norm(finalNorm, BLOCK_OUTPUT, 'normal'),
        { op: 'logits', input: 'normal', output: LOGITS, weight: head },
      ],
    },
  };
}

/** Of the published models only the 350M one is refused: its norms come after each part, its embedding is narrower. */
function requireSupported(config: OptConfig): void {
  const { hidden_size: hidden, num_attention_heads: heads } = config;
  const embedded = config.word_embed_proj_dim ?? hidden;
  const problems = [
    config.activation_function === 'relu' ? [] : [`activation_function '${config.activation_function}'`],
    config.do_layer_norm_before ? [] : ['do_layer_norm_before false'],
    config.enable_bias ? [] : ['enable_bias false'],
    config.layer_norm_elementwise_affine ? [] : ['layer_norm_elementwise_affine false'],
    config._remove_final_layer_norm ? ['_remove_final_layer_norm true'] : [],
    embedded === hidden ? [] : [`word_embed_proj_dim ${embedded} beside hidden_size ${hidden}`],
  ].flat();
  if (problems.length > 0) {
    throw new EsparseError('unsupported', `config.json: ${problems.join(', ')}: not supported`, {
      hint: 'OPT is known as in its models of 125M and of 1.3B and more',
    });
  }
  if (hidden % heads !== 0) {
    throw new EsparseError(
      'checkpoint',
      `config.json: hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}`,
    );
  }
}

function linearsOf({ hidden_size: hidden, ffn_dim: inner }: OptConfig): LinearSpec[] {
  const linear = (path: string, tap: string, rows: number, cols: number): LinearSpec => {
    const stem = (block: number) => `${DECODER}.layers.${block}.${path}`;
    return {
      name: path.slice(path.lastIndexOf('.') + 1),
      tap,
      rows,
      cols,
      weight: (block) => `${stem(block)}.weight`,
      bias: (block) => `${stem(block)}.bias`,
    };
  };
  return [
    linear('self_attn.q_proj', 'attn_in', hidden, hidden),
    linear('self_attn.k_proj', 'attn_in', hidden, hidden),
    linear('self_attn.v_proj', 'attn_in', hidden, hidden),
    linear('self_attn.out_proj', 'attn_out', hidden, hidden),
    linear('fc1', 'mlp_in', inner, hidden),
    linear('fc2', 'mlp_out', hidden, inner),
  ];
}

const NORMS = ['self_attn_layer_norm', 'final_layer_norm'] as const;

function blockTensors(block: number, hidden: number, linears: readonly LinearSpec[]): BlockTensorSpec[] {
  const norms = NORMS.flatMap((norm) =>
    (['weight', 'bias'] as const).map((part) => ({
      slot: `${norm}.${part}`,
      name: `${DECODER}.layers.${block}.${norm}.${part}`,
      shape: [hidden],
    })),
  );
  const biases = linears.map(({ name, rows, bias }) => ({
    slot: biasSlot(name),
    name: bias!(block),
    shape: [rows],
  }));
  return [...norms, ...biases];
}

function norm(name: string, input: string, output: string): BlockOp {
  return { op: 'layerNorm', input, output, weight: `${name}.weight`, bias: `${name}.bias`, epsilon: EPSILON };
}

function blockProgram(heads: number, headDim: number): BlockOp[] {
  return [
    norm('self_attn_layer_norm', BLOCK_INPUT, 'attn_in'),
    { op: 'linear', linear: 'q_proj', input: 'attn_in', output: 'q' },
    { op: 'linear', linear: 'k_proj', input: 'attn_in', output: 'k' },
    { op: 'linear', linear: 'v_proj', input: 'attn_in', output: 'v' },
    {
      op: 'attention',
      query: 'q',
      key: 'k',
      value: 'v',
      output: 'attn_out',
      heads,
      kvHeads: heads,
      headDim,
      scale: headDim ** -0.5,
    },
    { op: 'linear', linear: 'out_proj', input: 'attn_out', output: 'attn_delta' },
    { op: 'add', left: BLOCK_INPUT, right: 'attn_delta', output: 'middle' },
    norm('final_layer_norm', 'middle', 'mlp_in'),
    { op: 'linear', linear: 'fc1', input: 'mlp_in', output: 'inner' },
    { op: 'activation', activation: 'relu', input: 'inner', output: 'mlp_out' },
    { op: 'linear', linear: 'fc2', input: 'mlp_out', output: 'mlp_delta' },
    { op: 'add', left: 'middle', right: 'mlp_delta', output: BLOCK_OUTPUT },
  ];
}
