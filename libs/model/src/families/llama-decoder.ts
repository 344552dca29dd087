import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { count, optional, positions, positive } from '../config.ts';
import type { FamilyDescription } from '../define-family.ts';
import { biasSlot, type BlockTensorSpec, type LinearSpec } from '../description.ts';
import { MAX_BLOCKS, MAX_HEAD_DIM, MAX_HEADS, MAX_HIDDEN, MAX_INTERMEDIATE, MAX_VOCAB } from '../limits.ts';
import type { BlockOp } from '../operations/index.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT, LOGITS } from '../program.ts';
import { ROPE_FIELDS, ropeFromConfig } from '../rope/config.ts';

/** The fields of config.json that all models of this shape have; defaults are those of Hugging Face's LlamaConfig. */
export const LLAMA_FIELDS = {
  hidden_size: count(MAX_HIDDEN),
  intermediate_size: count(MAX_INTERMEDIATE),
  num_hidden_layers: count(MAX_BLOCKS),
  num_attention_heads: count(MAX_HEADS),
  num_key_value_heads: optional(count(MAX_HEADS)),
  head_dim: optional(count(MAX_HEAD_DIM)),
  vocab_size: count(MAX_VOCAB),
  max_position_embeddings: positions().default(2048),
  rms_norm_eps: positive().default(1e-6),
  hidden_act: z.string().default('silu'),
  tie_word_embeddings: z.boolean().default(false),
  ...ROPE_FIELDS,
};
export type LlamaFields = z.infer<z.ZodObject<typeof LLAMA_FIELDS>>;

/** In what the families of this shape differ. */
export interface LlamaVariant {
  /** Names of the linears that have a bias. */
  readonly biased: ReadonlySet<string>;
}

/** The linears of a block, by the names that biases are given by. */
export const ATTENTION_LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj'] as const;
export const MLP_LINEARS = ['gate_proj', 'up_proj', 'down_proj'] as const;

/**
 * Describes a decoder of LLaMA's shape: RMSNorm, rotary embedding, grouped-query attention, SwiGLU, optional biases, tied
 * or separate head.
 */
export function describeLlamaDecoder(config: LlamaFields, { biased }: LlamaVariant): FamilyDescription {
  const sizes = sizesOf(config);
  const { hidden } = sizes;
  const vocab = config.vocab_size;
  const rope = ropeFromConfig(config, sizes.headDim, config.max_position_embeddings);
  const linears = linearsOf(config, sizes, biased);
  const embedding = 'model.embed_tokens.weight';
  const finalNorm = 'model.norm.weight';
  const head = config.tie_word_embeddings ? embedding : 'lm_head.weight';
  const outer = [
    { name: embedding, shape: [vocab, hidden] },
    { name: finalNorm, shape: [hidden] },
  ];
  if (!config.tie_word_embeddings) outer.push({ name: head, shape: [vocab, hidden] });
  return {
    hidden,
    blocks: config.num_hidden_layers,
    vocab,
    // Linear and dynamic scaling stretch the trained positions, and config.json keeps the unstretched number.
    maxPositions:
      config.max_position_embeddings * (rope.type === 'linear' || rope.type === 'dynamic' ? rope.factor : 1),
    taps: [
      { name: 'attn_in', channels: hidden },
      { name: 'attn_out', channels: sizes.heads * sizes.headDim },
      { name: 'mlp_in', channels: hidden },
      { name: 'mlp_out', channels: config.intermediate_size },
    ],
    linears,
    blockTensors: (block) => blockTensors(block, hidden, linears),
    outerTensors: outer,
    rope,
    program: {
      embed: [{ op: 'embedding', table: embedding, index: 'token', offset: 0, output: BLOCK_INPUT }],
      block: blockProgram(sizes, config.rms_norm_eps),
      head: [
        {
          op: 'rmsNorm',
          input: BLOCK_OUTPUT,
          output: 'normal',
          weight: finalNorm,
          epsilon: config.rms_norm_eps,
        },
        { op: 'logits', input: 'normal', output: LOGITS, weight: head },
      ],
    },
  };
}

interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

function sizesOf(config: LlamaFields): Sizes {
  const hidden = config.hidden_size;
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? hidden / heads;
  if (config.hidden_act !== 'silu') {
    throw new EsparseError('unsupported', `config.json: hidden_act '${config.hidden_act}' is not supported`, {
      hint: "blocks of this shape are known with 'silu'",
    });
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new EsparseError(
      'checkpoint',
      `config.json: ${headDim} channels a head (head_dim, or hidden_size ${hidden} / num_attention_heads ${heads}) ` +
        'is not an even whole number',
    );
  }
  if (heads % kvHeads !== 0) {
    throw new EsparseError(
      'checkpoint',
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  return { hidden, heads, kvHeads, headDim };
}

function linearsOf(
  { intermediate_size: inner }: LlamaFields,
  { hidden, heads, kvHeads, headDim }: Sizes,
  biased: ReadonlySet<string>,
): LinearSpec[] {
  const of = (part: string) => (name: string, tap: string, rows: number, cols: number) => {
    const stem = (block: number) => `model.layers.${block}.${part}.${name}`;
    const linear = { name, tap, rows, cols, weight: (block: number) => `${stem(block)}.weight` };
    return biased.has(name) ? { ...linear, bias: (block: number) => `${stem(block)}.bias` } : linear;
  };
  const attention = of('self_attn');
  const mlp = of('mlp');
  return [
    attention('q_proj', 'attn_in', heads * headDim, hidden),
    attention('k_proj', 'attn_in', kvHeads * headDim, hidden),
    attention('v_proj', 'attn_in', kvHeads * headDim, hidden),
    attention('o_proj', 'attn_out', hidden, heads * headDim),
    mlp('gate_proj', 'mlp_in', inner, hidden),
    mlp('up_proj', 'mlp_in', inner, hidden),
    mlp('down_proj', 'mlp_out', hidden, inner),
  ];
}

const NORMS = ['input_layernorm', 'post_attention_layernorm'] as const;

function blockTensors(block: number, hidden: number, linears: readonly LinearSpec[]): BlockTensorSpec[] {
  const tensors: BlockTensorSpec[] = NORMS.map((slot) => ({
    slot,
    name: `model.layers.${block}.${slot}.weight`,
    shape: [hidden],
  }));
  for (const linear of linears) {
    const name = linear.bias?.(block);
    if (name !== undefined) tensors.push({ slot: biasSlot(linear.name), name, shape: [linear.rows] });
  }
  return tensors;
}

function blockProgram({ heads, kvHeads, headDim }: Sizes, epsilon: number): BlockOp[] {
  return [
    { op: 'rmsNorm', input: BLOCK_INPUT, output: 'attn_in', weight: 'input_layernorm', epsilon },
    { op: 'linear', linear: 'q_proj', input: 'attn_in', output: 'q_flat' },
    { op: 'linear', linear: 'k_proj', input: 'attn_in', output: 'k_flat' },
    { op: 'linear', linear: 'v_proj', input: 'attn_in', output: 'v' },
    { op: 'rope', input: 'q_flat', output: 'q', heads, headDim },
    { op: 'rope', input: 'k_flat', output: 'k', heads: kvHeads, headDim },
    {
      op: 'attention',
      query: 'q',
      key: 'k',
      value: 'v',
      output: 'attn_out',
      heads,
      kvHeads,
      headDim,
      scale: headDim ** -0.5,
    },
    { op: 'linear', linear: 'o_proj', input: 'attn_out', output: 'attn_delta' },
    { op: 'add', left: BLOCK_INPUT, right: 'attn_delta', output: 'middle' },
    { op: 'rmsNorm', input: 'middle', output: 'mlp_in', weight: 'post_attention_layernorm', epsilon },
    { op: 'linear', linear: 'gate_proj', input: 'mlp_in', output: 'gate' },
    { op: 'linear', linear: 'up_proj', input: 'mlp_in', output: 'up' },
    { op: 'gatedActivation', activation: 'silu', gate: 'gate', up: 'up', output: 'mlp_out' },
    { op: 'linear', linear: 'down_proj', input: 'mlp_out', output: 'mlp_delta' },
    { op: 'add', left: 'middle', right: 'mlp_delta', output: BLOCK_OUTPUT },
  ];
}
