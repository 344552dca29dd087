import type { DecoderShape } from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import {
  operationOf,
  type BlockOp,
  type ModelDescription,
  type OpNamed,
  type ProgramOp,
  type RopeSpec,
} from '@esparse/model';

/** A model whose program is the one that the kernels run, and how that program calls its parts. */
export interface DecoderProgram {
  readonly shape: DecoderShape;
  /** Names of the linears: q, k, v, o, gate, up, down. */
  readonly linears: readonly string[];
  /** Slots of a block's two norms. */
  readonly inputNorm: string;
  readonly middleNorm: string;
  /** Slots of the norms that each head of q and k passes, where there are such norms. */
  readonly headNorms: { readonly query: string; readonly key: string } | undefined;
  /** Of the attention of each layer; 0: none that a sequence is longer than. */
  readonly windows: readonly number[];
  /** Tensors outside of the blocks. */
  readonly embedding: string;
  readonly finalNorm: string;
  /** The embedding itself, where it is tied. */
  readonly head: string;
  readonly rope: RopeSpec;
}

/** The operations of a block, in order, and what each reads: results of the operations of these numbers, -1 the input. */
type BlockShape = readonly (readonly [op: BlockOp['op'], reads: readonly number[]])[];

/** RMSNorm, rotary embedding, grouped queries, SwiGLU. */
const PLAIN: BlockShape = [
  ['rmsNorm', [-1]],
  ...(['linear', 'linear', 'linear'] as const).map((op) => [op, [0]] as const),
  ['rope', [1]],
  ['rope', [2]],
  ['attention', [4, 5, 3]],
  ...ending(6),
];

/** The same with a norm of each head of q and k. */
const HEADS_NORMED: BlockShape = [
  ...PLAIN.slice(0, 4),
  ['rmsNorm', [1]],
  ['rope', [4]],
  ['rmsNorm', [2]],
  ['rope', [6]],
  ['attention', [5, 7, 3]],
  ...ending(8),
];

/** What follows attention, which is the operation of this number. */
function ending(attention: number): BlockShape {
  const [o, middle, norm, gate, up, activated, down] = [1, 2, 3, 4, 5, 6, 7].map((i) => attention + i) as [
    ...[number, number, number, number],
    ...[number, number, number],
  ];
  return [
    ['linear', [attention]],
    ['add', [-1, o]],
    ['rmsNorm', [middle]],
    ['linear', [norm]],
    ['linear', [norm]],
    ['gatedActivation', [gate, up]],
    ['linear', [activated]],
    ['add', [middle, down]],
  ];
}

/**
 * Recognises a decoder of LLaMA's shape, whatever its family calls its parts: with biases of q, k and v (Qwen2), norms of
 * their heads (Qwen3), windows (Mistral).
 *
 * @throws EsparseError 'unsupported' naming what the kernels do not have
 */
export function decoderProgramOf(description: ModelDescription, maxContext: number): DecoderProgram {
  const { program, family, linears } = description;
  const refuse = (what: string): never => {
    throw new EsparseError('unsupported', `the CUDA kernels do not run this ${family} model: ${what}`, {
      hint: 'they run decoders of the shape of LLaMA; use --device cpu',
    });
  };
  if (program.blocks.flat().some(({ op }) => op === 'experts')) refuse('it has a mixture of experts');
  const kinds = program.blocks.map((block) => kindOfBlock(block, refuse));
  const [kind, ...others] = kinds as [Kind, ...Kind[]];
  const but = ({ block }: Kind) =>
    block.map((op) => (op.op === 'attention' ? { ...op, window: undefined } : op));
  if (others.some((other) => JSON.stringify(but(other)) !== JSON.stringify(but(kind)))) {
    refuse('its layers are of several kinds');
  }
  const { applied, norms, headNorms, rope, attention } = kind;
  const biased = linears.find(({ name, bias }) => bias !== undefined && !QKV.has(applied.indexOf(name)));
  if (biased !== undefined) refuse(`${biased.name} has a bias`);

  const [embedding] = all(program.embed, 'embedding');
  const [finalNorm] = all(program.head, 'rmsNorm');
  const [logits] = all(program.head, 'logits');
  if (program.embed.length !== 1 || embedding?.index !== 'token' || embedding.offset !== 0) {
    return refuse('what is before its blocks is not an embedding of tokens alone');
  }
  if (program.head.length !== 2 || finalNorm === undefined || logits === undefined) {
    return refuse('what is behind its blocks is not a norm with a head');
  }
  if ([...norms, ...headNorms].some(({ epsilon }) => epsilon !== finalNorm.epsilon)) {
    refuse('its norms have different epsilons');
  }
  if ([...norms, ...headNorms, finalNorm].some(({ offset = 0 }) => offset !== 0)) {
    refuse('its norms have an offset');
  }
  const windowOf = ({ attention: { window = 0 } }: Kind) => (window < maxContext ? window : 0);
  const [query, key] = headNorms;
  return {
    shape: {
      hidden: description.hidden,
      inner: linears.find(({ name }) => name === applied[4])!.rows,
      layers: description.blocks,
      heads: attention.heads,
      kvHeads: attention.kvHeads,
      headDim: attention.headDim,
      vocab: description.vocab,
      epsilon: finalNorm.epsilon,
      scale: attention.scale,
    },
    linears: applied,
    inputNorm: norms[0]!.weight,
    middleNorm: norms[1]!.weight,
    headNorms: query && key && { query: query.weight, key: key.weight },
    windows: Array.from({ length: description.blocks }, (_, layer) =>
      windowOf(kinds[program.kindOf?.(layer) ?? 0]!),
    ),
    embedding: embedding.table,
    finalNorm: finalNorm.weight,
    head: logits.weight,
    rope: rope.spec,
  };
}

/** q, k and v, by their places among the linears. */
const QKV: ReadonlySet<number> = new Set([0, 1, 2]);

/** What a kind of block is made of. */
interface Kind {
  readonly block: readonly BlockOp[];
  /** Names of its linears, in order. */
  readonly applied: readonly string[];
  readonly norms: readonly OpNamed<'rmsNorm'>[];
  /** Of q and k, or none. */
  readonly headNorms: readonly OpNamed<'rmsNorm'>[];
  readonly rope: OpNamed<'rope'>;
  readonly attention: OpNamed<'attention'>;
}

function kindOfBlock(block: readonly BlockOp[], refuse: Refuse): Kind {
  const shape = block[4]?.op === 'rmsNorm' ? HEADS_NORMED : PLAIN;
  checkOperations(block, shape, refuse);
  checkFlow(block, shape, refuse);
  const [rope] = all(block, 'rope') as [OpNamed<'rope'>];
  const [attention] = all(block, 'attention') as [OpNamed<'attention'>];
  const norms = all(block, 'rmsNorm');
  const headNorms = shape === PLAIN ? [] : norms.splice(1, 2);
  if (norms.some(({ groups = 1 }) => groups !== 1)) refuse('its norms are of heads');
  const groups = [attention.heads, attention.kvHeads];
  if (headNorms.some((norm, i) => norm.groups !== groups[i]))
    refuse('its norms of q and k are not of each head');
  if (all(block, 'gatedActivation').some(({ activation }) => activation !== 'silu')) {
    refuse('its activation is not silu');
  }
  if (rope.spec.channels !== attention.headDim) refuse('a part of its heads is rotated only');
  if (attention.sinks !== undefined) refuse('its attention has sinks');
  return {
    block,
    applied: all(block, 'linear').map(({ linear }) => linear),
    norms,
    headNorms,
    rope,
    attention,
  };
}

type Refuse = (what: string) => never;

function checkOperations(block: readonly BlockOp[], shape: BlockShape, refuse: Refuse): void {
  const strange = block.find(({ op }, i) => op !== shape[i]?.[0])?.op;
  if (strange !== undefined)
    refuse(`its blocks have '${strange}' where those of LLaMA have another operation`);
  if (block.length < shape.length) refuse('its blocks end before those of LLaMA do');
}

function all<Name extends ProgramOp['op']>(ops: readonly ProgramOp[], name: Name): OpNamed<Name>[] {
  return ops.filter(({ op }) => op === name);
}

function checkFlow(block: readonly BlockOp[], shape: BlockShape, refuse: Refuse): void {
  const first = block[0] as OpNamed<'rmsNorm'>;
  const nameOf = (i: number) => (i < 0 ? first.input : block[i]!.output);
  for (const [i, op] of block.entries()) {
    if (operationOf(op).inputs(op).join() !== shape[i]![1].map(nameOf).join()) {
      refuse(`operation ${i} of its blocks, '${op.op}', reads other values than in those of LLaMA`);
    }
  }
}
