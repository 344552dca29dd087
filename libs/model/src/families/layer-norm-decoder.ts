import { EsparseError } from '@esparse/errors';
import type { FamilyDescription } from '../define-family.ts';
import { biasSlot, type BlockTensorSpec, type LinearSpec } from '../description.ts';
import type { Activation } from '../operations/activation.ts';
import type { BlockOp } from '../operations/index.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT, LOGITS } from '../program.ts';

/** A decoder of the shape of OPT and GPT-2: LayerNorm before each part, learned positions, biases, an MLP of two linears. */
export interface LayerNormDecoder {
  readonly hidden: number;
  readonly inner: number;
  readonly blocks: number;
  readonly heads: number;
  readonly vocab: number;
  readonly positions: number;
  /** Rows at the front of the table of positions that no token uses. */
  readonly positionOffset: number;
  readonly epsilon: number;
  readonly activation: Activation;
  readonly tied: boolean;
  readonly names: LayerNormDecoderNames;
}

/** What the checkpoint calls its parts. */
export interface LayerNormDecoderNames {
  readonly embedding: string;
  readonly positions: string;
  /** Without `.weight` and `.bias`, as all below. */
  readonly finalNorm: string;
  /** Of a block: what the names of its parts begin with. */
  readonly block: (block: number) => string;
  readonly attentionNorm: string;
  readonly mlpNorm: string;
  /** q_proj, k_proj, v_proj and out_proj are in it. */
  readonly attention: string;
  /** fc1 and fc2. */
  readonly mlp: string;
}

/** @throws EsparseError 'checkpoint' where the heads do not divide the channels */
export function describeLayerNormDecoder(decoder: LayerNormDecoder): FamilyDescription {
  const { hidden, inner, vocab, heads, positions, positionOffset, names, tied } = decoder;
  if (hidden % heads !== 0) {
    throw new EsparseError('checkpoint', `config.json: ${hidden} channels are no multiple of ${heads} heads`);
  }
  const linears = linearsOf(decoder);
  const head = tied ? names.embedding : 'lm_head.weight';
  const outer = [
    { name: names.embedding, shape: [vocab, hidden] },
    { name: names.positions, shape: [positions + positionOffset, hidden] },
    { name: `${names.finalNorm}.weight`, shape: [hidden] },
    { name: `${names.finalNorm}.bias`, shape: [hidden] },
  ];
  if (!tied) outer.push({ name: head, shape: [vocab, hidden] });
  return {
    hidden,
    blocks: decoder.blocks,
    vocab,
    maxPositions: positions,
    taps: [
      { name: 'attn_in', channels: hidden },
      { name: 'attn_out', channels: hidden },
      { name: 'mlp_in', channels: hidden },
      { name: 'mlp_out', channels: inner },
    ],
    linears,
    blockTensors: (block) => blockTensors(block, decoder, linears),
    outerTensors: outer,
    program: {
      embed: [
        { op: 'embedding', table: names.embedding, index: 'token', offset: 0, output: 'token' },
        {
          op: 'embedding',
          table: names.positions,
          index: 'position',
          offset: positionOffset,
          output: 'position',
        },
        { op: 'add', left: 'token', right: 'position', output: BLOCK_INPUT },
      ],
      blocks: [blockProgram(decoder)],
      head: [
        norm(decoder, names.finalNorm, BLOCK_OUTPUT, 'normal'),
        { op: 'logits', input: 'normal', output: LOGITS, weight: head },
      ],
    },
  };
}

function linearsOf({ hidden, inner, names }: LayerNormDecoder): LinearSpec[] {
  const of = (part: string) => (name: string, tap: string, rows: number, cols: number) => {
    const stem = (block: number) => `${names.block(block)}.${part}${name}`;
    const weight = (block: number) => `${stem(block)}.weight`;
    return { name, tap, rows, cols, weight, bias: (block: number) => `${stem(block)}.bias` };
  };
  const attention = of(names.attention);
  const mlp = of(names.mlp);
  return [
    attention('q_proj', 'attn_in', hidden, hidden),
    attention('k_proj', 'attn_in', hidden, hidden),
    attention('v_proj', 'attn_in', hidden, hidden),
    attention('out_proj', 'attn_out', hidden, hidden),
    mlp('fc1', 'mlp_in', inner, hidden),
    mlp('fc2', 'mlp_out', hidden, inner),
  ];
}

function blockTensors(
  block: number,
  { hidden, names }: LayerNormDecoder,
  linears: readonly LinearSpec[],
): BlockTensorSpec[] {
  const norms = [names.attentionNorm, names.mlpNorm].flatMap((name) =>
    (['weight', 'bias'] as const).map((part) => ({
      slot: `${name}.${part}`,
      name: `${names.block(block)}.${name}.${part}`,
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

function norm({ epsilon }: LayerNormDecoder, name: string, input: string, output: string): BlockOp {
  return { op: 'layerNorm', input, output, weight: `${name}.weight`, bias: `${name}.bias`, epsilon };
}

function blockProgram(decoder: LayerNormDecoder): BlockOp[] {
  const { hidden, heads, activation, names } = decoder;
  const headDim = hidden / heads;
  return [
    norm(decoder, names.attentionNorm, BLOCK_INPUT, 'attn_in'),
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
    norm(decoder, names.mlpNorm, 'middle', 'mlp_in'),
    { op: 'linear', linear: 'fc1', input: 'mlp_in', output: 'inner' },
    { op: 'activation', activation, input: 'inner', output: 'mlp_out' },
    { op: 'linear', linear: 'fc2', input: 'mlp_out', output: 'mlp_delta' },
    { op: 'add', left: 'middle', right: 'mlp_delta', output: BLOCK_OUTPUT },
  ];
}
