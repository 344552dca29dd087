import type { DecoderHeadNorm, DecoderNorm, DecoderShape } from '@esparse/cuda';
import {
  expertPart,
  type LinearSpec,
  type ModelDescription,
  type OpNamed,
  type ProgramOp,
  type RopeSpec,
} from '@esparse/model';
import { normOf, readBlock, type BlockProgram, type NormProgram } from './read-block.ts';
import { refusalOf, type Refuse } from './refusal.ts';

/** A model whose program is one that the kernels run, and how that program calls its parts. */
export interface DecoderProgram {
  readonly shape: DecoderShape;
  /** Names of the linears: q, k, v, o, gate, up, down; up undefined where there is no gate. */
  readonly linears: readonly (string | undefined)[];
  /** Names of the linears of each expert, where there are experts in the place of gate, up and down. */
  readonly experts: BlockProgram['experts'];
  /** Slot of the sinks of the heads, where there are such. */
  readonly sinks: string | undefined;
  /** Of a block, where it has them. */
  readonly norms: BlockProgram['norms'];
  /** Of the attention of each layer; 0: none that a sequence is longer than. */
  readonly windows: readonly number[];
  /** Tensors outside of the blocks. */
  readonly embedding: string;
  /** What is added to the embedding: row 0 of the positions is this row of the table. */
  readonly positions: { readonly table: string; readonly offset: number } | undefined;
  readonly finalNorm: NormProgram;
  /** The embedding itself, where it is tied. */
  readonly head: string;
  /** How q and k turn, each way once, and which of them each layer has; undefined: not at all. */
  readonly ropes: readonly (RopeSpec | undefined)[];
  readonly ropeOf: readonly number[];
  /** Channels of each head that turn, the first ones. */
  readonly rotated: number;
  /** What logits are multiplied by. */
  readonly logitFactor: number;
}

/**
 * Recognises a decoder by its program, whatever its family calls its parts: attention and an MLP one after the other, with
 * norms before them, behind them or both, layer norms, biases, norms of q and k, windows, multipliers, layers that do not
 * turn, heads that turn in part, learned positions, an MLP with a gate or without.
 *
 * What attention and MLP are multiplied by before they are added, the kernels do not know: the stream of the device is the
 * model's divided by it. Its norms give the same where their epsilon is divided by its square.
 *
 * @throws EsparseError 'unsupported' naming what the kernels do not have
 */
export function decoderProgramOf(description: ModelDescription, maxContext: number): DecoderProgram {
  const { program, linears } = description;
  const refuse = refusalOf(description.family);
  const kinds = program.blocks.map((block) => readBlock(block, refuse));
  const [kind, ...others] = kinds as [BlockProgram, ...BlockProgram[]];
  const but = ({ rope: _, window: __, ...rest }: BlockProgram) => JSON.stringify(rest);
  if (others.some(({ experts }) => (experts === undefined) !== (kind.experts === undefined))) {
    refuse('some of its layers have experts, and others an MLP');
  }
  if (others.some((other) => but(other) !== but(kind))) refuse('its layers are of several kinds');
  const { norms, residual, attention } = kind;

  const begin = beginOf(program.embed, refuse);
  const end = endOf(program.head, refuse);
  const ofHeads = [norms.query, norms.key].flatMap((norm) => norm ?? []);
  const before = [norms.attention.before, norms.mlp.before].flatMap((norm) => norm ?? []);
  const after = [norms.attention.after, norms.mlp.after].flatMap((norm) => norm ?? []);
  if ([...ofHeads, ...before, ...after].some(({ epsilon }) => epsilon !== end.norm.epsilon)) {
    refuse('its norms have different epsilons');
  }
  const ropes = [...new Set(kinds.map(({ rope }) => rope))];
  const channels = new Set(ropes.flatMap((spec) => spec?.channels ?? []));
  if (channels.size > 1) refuse('its layers turn different parts of heads');
  const layers = Array.from(
    { length: description.blocks },
    (_, layer) => kinds[program.kindOf?.(layer) ?? 0]!,
  );
  const specOf = (name: string | undefined) => linears.find((linear) => linear.name === name);
  const { experts } = kind;
  const ofExpert = experts?.linears.map((name) => specOf(expertPart(0, name)));
  const [, , , o, gate, up, down] = kind.linears.map(specOf);
  const inner = ofExpert?.[0] ?? gate;
  return {
    shape: {
      hidden: description.hidden,
      inner: inner!.rows,
      layers: description.blocks,
      heads: attention.heads,
      kvHeads: attention.kvHeads,
      headDim: attention.headDim,
      vocab: description.vocab,
      epsilon: end.norm.epsilon / residual ** 2,
      headEpsilon: end.norm.epsilon,
      embeddingFactor: begin.factor / residual,
      scale: attention.scale,
      norm: kindOfNorms(before, 2, refuse),
      lastNorm: end.norm.kind,
      headNorm: headNormOf(norms, attention, refuse),
      normsAfter: kindOfNorms(after, 2, refuse) === 'none' ? undefined : { epsilon: end.norm.epsilon },
      activation: kind.activation,
      clamped: kind.clamped,
      gated: experts !== undefined || up !== undefined,
      biased: [o, gate, up, down, ...(ofExpert ?? [])].some(hasBias),
      sinks: kind.sinks !== undefined,
      mixture: experts && { experts: experts.experts, top: experts.top, normalise: experts.normalise },
    },
    linears: kind.linears,
    experts,
    sinks: kind.sinks,
    norms,
    windows: layers.map(({ window = 0 }) => (window < maxContext ? window : 0)),
    embedding: begin.table,
    positions: begin.positions,
    finalNorm: end.norm,
    head: end.head,
    ropes,
    ropeOf: layers.map(({ rope }) => ropes.indexOf(rope)),
    rotated: [...channels][0] ?? attention.headDim,
    logitFactor: end.factor,
  };
}

const hasBias = (spec: LinearSpec | undefined) => spec?.bias !== undefined;

/** The one kind that all of so many norms are of, or that there are none. */
function kindOfNorms(norms: readonly NormProgram[], count: number, refuse: Refuse): DecoderNorm {
  if (norms.length === 0) return 'none';
  if (norms.length !== count) refuse('it has a norm at one of attention and MLP alone');
  const kinds = new Set(norms.map(({ kind }) => kind));
  if (kinds.size > 1) refuse('it has layer norms and RMSNorms in its blocks');
  return norms[0]!.kind;
}

function headNormOf(
  { query, key }: BlockProgram['norms'],
  { heads, kvHeads }: BlockProgram['attention'],
  refuse: Refuse,
): DecoderHeadNorm {
  if (query === undefined && key === undefined) return 'none';
  if (query?.groups === heads && key?.groups === kvHeads) return 'heads';
  if (query?.groups === 1 && key?.groups === 1) return 'width';
  return refuse('its norms of q and k are neither of each head nor of all');
}

/** An embedding of tokens, multiplied, or with learned positions added. */
function beginOf(ops: readonly ProgramOp[], refuse: Refuse) {
  const strange = () =>
    refuse('what is before its blocks is not an embedding of tokens, with positions or without');
  const [token, second, third] = ops;
  if (token?.op !== 'embedding' || token.index !== 'token' || token.offset !== 0) return strange();
  const { table } = token;
  const plain = { table, factor: 1, positions: undefined };
  if (ops.length === 1) return plain;
  if (ops.length === 2 && second?.op === 'scale') return { ...plain, factor: second.factor };
  const isAdded =
    ops.length === 3 && second?.op === 'embedding' && second.index === 'position' && third?.op === 'add';
  if (!isAdded) return strange();
  return { ...plain, positions: { table: second.table, offset: second.offset } };
}

/** A norm and the head, with a factor between them or without. */
function endOf(ops: readonly ProgramOp[], refuse: Refuse) {
  const [norm, second] = ops;
  const scale = second?.op === 'scale' ? second : undefined;
  const logits = ops.at(-1) as OpNamed<'logits'> | undefined;
  if (
    (norm?.op !== 'rmsNorm' && norm?.op !== 'layerNorm') ||
    logits?.op !== 'logits' ||
    ops.length !== (scale === undefined ? 2 : 3)
  ) {
    return refuse('what is behind its blocks is not a norm with a head');
  }
  return { norm: normOf(norm), head: logits.weight, factor: scale?.factor ?? 1 };
}
