import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { count, optional, positions, positive } from '../config.ts';
import type { FamilyDescription } from '../define-family.ts';
import { biasSlot, type BlockTensorSpec, type LinearSpec, type TapSpec } from '../description.ts';
import { MAX_BLOCKS, MAX_HEAD_DIM, MAX_HEADS, MAX_HIDDEN, MAX_INTERMEDIATE, MAX_VOCAB } from '../limits.ts';
import type { GateActivation } from '../operations/gated-activation.ts';
import type { ProgramOp } from '../operations/index.ts';
import type { ScaleOp } from '../operations/scale.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT, LOGITS } from '../program.ts';
import { ROPE_FIELDS, ropeFromConfig } from '../rope/config.ts';
import type { RopeSpec } from '../rope/spec.ts';
import { checkMixture, mixtureLinears, mixtureTaps, mixtureTensors, type Mixture } from './mixture.ts';
import {
  decoderBlock,
  NORM_SLOTS,
  SINKS,
  type ClampedSwiglu,
  type DecoderBlock,
  type NormPlacement,
} from './decoder-block.ts';

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

/** In what the families of this shape differ; what is left out is as in LLaMA. */
export interface LlamaVariant {
  /** Names of the linears that have a bias. @default none */
  readonly biased?: ReadonlySet<string>;
  /** @default 'before' */
  readonly norms?: NormPlacement;
  /** Added to the weight of every norm. @default 0 */
  readonly normOffset?: number;
  /** Whether q and k are normalised: each head by itself, or all heads together. @default not at all */
  readonly queryKeyNorm?: 'head' | 'width';
  /** In what a layer differs. Layers that turn alike are given the same object. @default in nothing */
  readonly layer?: (block: number) => LayerVariant;
  /** What takes the place of the MLP, in the layers that have it. @default none */
  readonly mixture?: Mixture;
  /** Whether each query head has a sink: a learned number that takes part in its softmax. @default false */
  readonly sinks?: boolean;
  /** What makes `mlp_out` of gate and up, in the place of what config.json's `hidden_act` says. @default that */
  readonly activation?: ClampedSwiglu;
  /** What the rows of the embedding are multiplied by. @default 1 */
  readonly embeddingScale?: number;
  /** What q kᵀ is multiplied by. @default 1 / sqrt(head_dim) */
  readonly attentionScale?: number;
  /** What attention and MLP are multiplied by before they are added to the stream. @default 1 */
  readonly residualScale?: number;
  /** What logits are multiplied by. @default 1 */
  readonly logitScale?: number;
}

/** In what one layer differs from others. */
export interface LayerVariant {
  /** How it turns q and k; null: not at all. @default as config.json's rotary fields say */
  readonly rope?: RopeSpec | null;
  /** A token sees so many positions, its own the last; null: all. @default null */
  readonly window?: number | null;
  /** Whether it has the variant's mixture of experts. @default where there is one, it has */
  readonly mixture?: boolean;
}

/** The linears of a block, by the names that biases are given by. */
export const ATTENTION_LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj'] as const;
export const MLP_LINEARS = ['gate_proj', 'up_proj', 'down_proj'] as const;

/**
 * Describes a decoder of LLaMA's shape: RMSNorm, rotary embedding, grouped-query attention, a gated MLP, optional biases,
 * tied or separate head.
 */
export function describeLlamaDecoder(config: LlamaFields, variant: LlamaVariant = {}): FamilyDescription {
  const sizes = sizesOf(config);
  const { hidden } = sizes;
  const vocab = config.vocab_size;
  const rope = ropeFromConfig(config, sizes.headDim, config.max_position_embeddings);
  if (variant.mixture !== undefined) checkMixture(variant.mixture, config.num_hidden_layers);
  const kinds = kindsOf(config, sizes, rope, variant);
  const { linears, taps } = linearsOf(config, sizes, variant, kinds.kinds);
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
    taps,
    linears,
    blockTensors: (block) => blockTensors(block, sizes, linears, kinds.of(block), variant),
    outerTensors: outer,
    basePrefix: 'model.',
    program: {
      embed: scaled(variant.embeddingScale, BLOCK_INPUT, (output) => ({
        op: 'embedding',
        table: embedding,
        index: 'token',
        offset: 0,
        output,
      })),
      blocks: kinds.kinds.map(decoderBlock),
      kindOf: kinds.indexOf,
      head: [
        ...scaled<ProgramOp>(variant.logitScale, 'normal', (output) => ({
          op: 'rmsNorm',
          input: BLOCK_OUTPUT,
          output,
          weight: finalNorm,
          epsilon: config.rms_norm_eps,
          offset: variant.normOffset ?? 0,
        })),
        { op: 'logits', input: 'normal', output: LOGITS, weight: head },
      ],
    },
  };
}

/** An operation whose output is multiplied by a factor, where that is another than 1. */
function scaled<Op extends ProgramOp>(
  factor: number | undefined,
  output: string,
  op: (output: string) => Op,
): (Op | ScaleOp)[] {
  if (factor === undefined || factor === 1) return [op(output)];
  const input = `${output}_unscaled`;
  return [op(input), { op: 'scale', input, output, factor }];
}

/** The kinds of layers that there are, and which layer is of which kind. */
interface LayerKinds {
  readonly kinds: readonly DecoderBlock[];
  indexOf(layer: number): number;
  of(layer: number): DecoderBlock;
}

function kindsOf(config: LlamaFields, sizes: Sizes, rope: RopeSpec, variant: LlamaVariant): LayerKinds {
  const shared = {
    ...sizes,
    epsilon: config.rms_norm_eps,
    norms: variant.norms ?? 'before',
    normOffset: variant.normOffset ?? 0,
    queryKeyNorm: variant.queryKeyNorm,
    scale: variant.attentionScale ?? sizes.headDim ** -0.5,
    residual: variant.residualScale ?? 1,
    sinks: variant.sinks ?? false,
    activation: variant.activation ?? sizes.activation,
  } as const;
  const kinds: DecoderBlock[] = [];
  const kindsOfLayers = Array.from({ length: config.num_hidden_layers }, (_, layer) => {
    const { rope: own = rope, window: within = null, mixture: mixed = true } = variant.layer?.(layer) ?? {};
    const mixture = mixed ? variant.mixture : undefined;
    // What no sequence exceeds is no window.
    const window = within !== null && within < config.max_position_embeddings ? within : undefined;
    const kind = { ...shared, rope: own ?? undefined, window, mixture };
    const same = kinds.findIndex(
      (known) => known.rope === kind.rope && known.window === window && known.mixture === mixture,
    );
    return same >= 0 ? same : kinds.push(kind) - 1;
  });
  const indexOf = (layer: number) => kindsOfLayers[layer] ?? 0;
  return { kinds, indexOf, of: (layer) => kinds[indexOf(layer)]! };
}

interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly activation: GateActivation;
}

/** By the names that config.json gives them. */
const GATE_ACTIVATIONS: ReadonlyMap<string, GateActivation> = new Map([
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['gelu_pytorch_tanh', 'gelu'],
  ['gelu_new', 'gelu'],
]);

function sizesOf(config: LlamaFields): Sizes {
  const hidden = config.hidden_size;
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? hidden / heads;
  const activation = GATE_ACTIVATIONS.get(config.hidden_act);
  if (activation === undefined) {
    throw new EsparseError('unsupported', `config.json: hidden_act '${config.hidden_act}' is not supported`, {
      hint: `blocks of this shape are known with ${[...GATE_ACTIVATIONS.keys()].join(', ')}`,
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
  return { hidden, heads, kvHeads, headDim, activation };
}

/** Linears and taps of all kinds of layers: attention, then one MLP or the experts. */
function linearsOf(
  { intermediate_size: inner }: LlamaFields,
  { hidden, heads, kvHeads, headDim }: Sizes,
  { biased = new Set(), mixture }: LlamaVariant,
  kinds: readonly DecoderBlock[],
): { linears: LinearSpec[]; taps: TapSpec[] } {
  const numbers = [...kinds.keys()];
  const mixed = mixture === undefined ? [] : numbers.filter((kind) => kinds[kind]!.mixture !== undefined);
  const plain = numbers.filter((kind) => !mixed.includes(kind));
  const only = mixed.length === 0 ? {} : { kinds: plain };
  const of = (part: string, ofKinds: { readonly kinds?: readonly number[] }) => {
    return (name: string, tap: string, rows: number, cols: number): LinearSpec => {
      const stem = (block: number) => `model.layers.${block}.${part}.${name}`;
      const linear = {
        name,
        tap,
        rows,
        cols,
        weight: (block: number) => `${stem(block)}.weight`,
        ...ofKinds,
      };
      return biased.has(name) ? { ...linear, bias: (block: number) => `${stem(block)}.bias` } : linear;
    };
  };
  const attention = of('self_attn', {});
  const mlp = of('mlp', only);
  const linears = [
    attention('q_proj', 'attn_in', heads * headDim, hidden),
    attention('k_proj', 'attn_in', kvHeads * headDim, hidden),
    attention('v_proj', 'attn_in', kvHeads * headDim, hidden),
    attention('o_proj', 'attn_out', hidden, heads * headDim),
  ];
  const taps: TapSpec[] = [
    { name: 'attn_in', channels: hidden },
    { name: 'attn_out', channels: heads * headDim },
  ];
  if (plain.length > 0) {
    linears.push(mlp('gate_proj', 'mlp_in', inner, hidden));
    linears.push(mlp('up_proj', 'mlp_in', inner, hidden));
    linears.push(mlp('down_proj', 'mlp_out', hidden, inner));
    taps.push({ name: 'mlp_in', channels: hidden, ...only }, { name: 'mlp_out', channels: inner, ...only });
  }
  if (mixture !== undefined && mixed.length > 0) {
    linears.push(...mixtureLinears(mixture, hidden, mixed));
    taps.push(...mixtureTaps(mixture, hidden, mixed));
  }
  return { linears, taps };
}

function blockTensors(
  block: number,
  { heads, kvHeads, headDim }: Sizes,
  linears: readonly LinearSpec[],
  { mixture }: DecoderBlock,
  { norms = 'before', queryKeyNorm, sinks = false }: LlamaVariant,
): BlockTensorSpec[] {
  const hidden = linears[0]!.cols;
  const tensors: BlockTensorSpec[] = NORM_SLOTS[norms].map((slot) => ({
    slot,
    name: `model.layers.${block}.${slot}.weight`,
    shape: [hidden],
  }));
  if (queryKeyNorm !== undefined) {
    for (const [slot, width] of [
      ['q_norm', heads * headDim],
      ['k_norm', kvHeads * headDim],
    ] as const) {
      const shape = [queryKeyNorm === 'head' ? headDim : width];
      tensors.push({ slot, name: `model.layers.${block}.self_attn.${slot}.weight`, shape });
    }
  }
  if (sinks) tensors.push({ slot: SINKS, name: `model.layers.${block}.self_attn.sinks`, shape: [heads] });
  if (mixture !== undefined) tensors.push(...mixtureTensors(mixture, hidden, block));
  for (const linear of linears) {
    // Linears without kinds are those of all layers; a mixture's layers have no other MLP.
    if (linear.kinds !== undefined && (linear.expert === undefined) === (mixture !== undefined)) continue;
    const name = linear.bias?.(block);
    if (name !== undefined) tensors.push({ slot: biasSlot(linear.name), name, shape: [linear.rows] });
  }
  return tensors;
}
