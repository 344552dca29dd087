import type { ClampedSwigluOp } from '../operations/clamped-swiglu.ts';
import type { GateActivation } from '../operations/gated-activation.ts';
import type { BlockOp } from '../operations/index.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT } from '../program.ts';
import type { RopeSpec } from '../rope/spec.ts';
import { mixtureOps, type Mixture } from './mixture.ts';

/**
 * Where a block's RMSNorms stand: before attention and MLP (LLaMA), after each of them, before the sum (OLMo 2), or on both
 * sides (Gemma 3).
 */
export type NormPlacement = 'before' | 'after' | 'around';

/** The limits of a clamped SwiGLU. */
export type ClampedSwiglu = Pick<ClampedSwigluOp, 'alpha' | 'limit'>;

/** Slot of the sinks. */
export const SINKS = 'sinks';

/** What a gated decoder block is made of. */
export interface DecoderBlock {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of the RMSNorms. */
  readonly epsilon: number;
  readonly norms: NormPlacement;
  /** Added to the weight of every RMSNorm. */
  readonly normOffset: number;
  /** Whether q and k pass an RMSNorm before they turn: each head by itself, or all heads together. */
  readonly queryKeyNorm: 'head' | 'width' | undefined;
  /** How q and k turn. Without it positions are told by the mask alone. */
  readonly rope: RopeSpec | undefined;
  /** What q kᵀ is multiplied by. */
  readonly scale: number;
  /** A token sees so many positions, its own the last. Without it, all before it. */
  readonly window: number | undefined;
  /** Whether each query head has a sink in its softmax. */
  readonly sinks: boolean;
  readonly activation: GateActivation | ClampedSwiglu;
  /** The experts that are its MLP. Without it, it has one MLP. */
  readonly mixture: Mixture | undefined;
  /** What attention and MLP are multiplied by before they are added to the stream. */
  readonly residual: number;
}

/** The slots of the norms that stand around attention and MLP, which are also the checkpoint's names of them. */
export const NORM_SLOTS: Readonly<Record<NormPlacement, readonly string[]>> = {
  before: ['input_layernorm', 'post_attention_layernorm'],
  after: ['post_attention_layernorm', 'post_feedforward_layernorm'],
  around: [
    'input_layernorm',
    'post_attention_layernorm',
    'pre_feedforward_layernorm',
    'post_feedforward_layernorm',
  ],
};

/** The program of a block of LLaMA's kind: attention, then a gated MLP, each added to the stream. */
export function decoderBlock(block: DecoderBlock): BlockOp[] {
  const slots = NORM_SLOTS[block.norms];
  const [before, after] = {
    before: [slots, []],
    after: [[], slots],
    around: [
      [slots[0]!, slots[2]!],
      [slots[1]!, slots[3]!],
    ],
  }[block.norms];
  return [
    ...enter(block, BLOCK_INPUT, before?.[0], 'attn_in'),
    ...attention(block),
    ...leave(block, { from: 'attn_delta', norm: after?.[0], onto: BLOCK_INPUT, output: 'middle' }),
    ...enter(block, 'middle', before?.[1], 'mlp_in'),
    ...(block.mixture === undefined ? gatedMlp(block) : mixtureOps(block.mixture, gatedMlp(block))),
    ...leave(block, { from: 'mlp_delta', norm: after?.[1], onto: 'middle', output: BLOCK_OUTPUT }),
  ];
}

/** The tap at the entrance of attention or MLP: the stream, normalised where there is a norm. */
function enter(
  { epsilon, normOffset: offset }: DecoderBlock,
  input: string,
  weight: string | undefined,
  output: string,
): BlockOp[] {
  // A tap is a value of its name: without a norm it is the stream as it is.
  if (weight === undefined) return [{ op: 'scale', input, output, factor: 1 }];
  return [{ op: 'rmsNorm', input, output, weight, epsilon, offset }];
}

/** Adds what attention or MLP gave to the stream. */
function leave(
  { epsilon, normOffset: offset, residual }: DecoderBlock,
  ends: { from: string; norm: string | undefined; onto: string; output: string },
): BlockOp[] {
  const ops: BlockOp[] = [];
  let value = ends.from;
  const then = (op: (input: string, output: string) => BlockOp, name: string) => {
    ops.push(op(value, name));
    value = name;
  };
  const { norm } = ends;
  if (norm !== undefined) {
    then(
      (input, output) => ({ op: 'rmsNorm', input, output, weight: norm, epsilon, offset }),
      `${ends.from}_normal`,
    );
  }
  if (residual !== 1) {
    then((input, output) => ({ op: 'scale', input, output, factor: residual }), `${ends.from}_scaled`);
  }
  return [...ops, { op: 'add', left: ends.onto, right: value, output: ends.output }];
}

function attention(block: DecoderBlock): BlockOp[] {
  const { heads, kvHeads, headDim, scale, window, sinks } = block;
  return [
    { op: 'linear', linear: 'q_proj', input: 'attn_in', output: 'q_flat' },
    { op: 'linear', linear: 'k_proj', input: 'attn_in', output: 'k_flat' },
    { op: 'linear', linear: 'v_proj', input: 'attn_in', output: 'v' },
    ...positioned(block, 'q', heads),
    ...positioned(block, 'k', kvHeads),
    {
      op: 'attention',
      query: 'q',
      key: 'k',
      value: 'v',
      output: 'attn_out',
      heads,
      kvHeads,
      headDim,
      scale,
      ...(window !== undefined && { window }),
      ...(sinks && { sinks: SINKS }),
    },
    { op: 'linear', linear: 'o_proj', input: 'attn_out', output: 'attn_delta' },
  ];
}

/** From `q_flat` to `q`, or from `k_flat` to `k`: normalised and turned, where the block does so. */
function positioned(
  { queryKeyNorm, epsilon, normOffset: offset, rope: spec, headDim }: DecoderBlock,
  name: 'q' | 'k',
  heads: number,
): BlockOp[] {
  const [flat, normal] = [`${name}_flat`, `${name}_normal`];
  const norm = (output: string): BlockOp => ({
    op: 'rmsNorm',
    input: flat,
    output,
    weight: `${name}_norm`,
    epsilon,
    offset,
    groups: queryKeyNorm === 'head' ? heads : 1,
  });
  const turn = (input: string): BlockOp =>
    spec === undefined
      ? { op: 'scale', input, output: name, factor: 1 }
      : { op: 'rope', input, output: name, heads, headDim, spec };
  if (queryKeyNorm === undefined) return [turn(flat)];
  return spec === undefined ? [norm(name)] : [norm(normal), turn(normal)];
}

function gatedMlp({ activation }: DecoderBlock): BlockOp[] {
  return [
    { op: 'linear', linear: 'gate_proj', input: 'mlp_in', output: 'gate' },
    { op: 'linear', linear: 'up_proj', input: 'mlp_in', output: 'up' },
    typeof activation === 'string'
      ? { op: 'gatedActivation', activation, gate: 'gate', up: 'up', output: 'mlp_out' }
      : { op: 'clampedSwiglu', ...activation, gate: 'gate', up: 'up', output: 'mlp_out' },
    { op: 'linear', linear: 'down_proj', input: 'mlp_out', output: 'mlp_delta' },
  ];
}
