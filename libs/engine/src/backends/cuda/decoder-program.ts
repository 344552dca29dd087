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
  /** How q and k turn, each way once, and which of them each layer has; undefined: not at all. */
  readonly ropes: readonly (RopeSpec | undefined)[];
  readonly ropeOf: readonly number[];
  /** Channels of each head that turn, the first ones. */
  readonly rotated: number;
  /** What logits are multiplied by. */
  readonly logitFactor: number;
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
 * their heads (Qwen3), windows (Mistral), multipliers (Granite), layers that do not turn (SmolLM3), heads that turn in part
 * (Phi-3).
 *
 * What attention and MLP are multiplied by before they are added, the kernels do not know: the stream of the device is the
 * model's divided by it. Its norms give the same where their epsilon is divided by its square.
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
  const but = ({ block, residual }: Kind) => [
    residual,
    ...block.map((op) =>
      op.op === 'attention'
        ? { ...op, window: undefined }
        : op.op === 'rope'
          ? { op: op.op, input: op.input, output: op.output }
          : op,
    ),
  ];
  if (others.some((other) => JSON.stringify(but(other)) !== JSON.stringify(but(kind)))) {
    refuse('its layers are of several kinds');
  }
  const { applied, norms, headNorms, residual, attention } = kind;
  const biased = linears.find(({ name, bias }) => bias !== undefined && !QKV.has(applied.indexOf(name)));
  if (biased !== undefined) refuse(`${biased.name} has a bias`);

  const [embedding] = all(program.embed, 'embedding');
  const [finalNorm] = all(program.head, 'rmsNorm');
  const [logits] = all(program.head, 'logits');
  const embeddingFactor = factorOf(program.embed, ['embedding']);
  const logitFactor = factorOf(program.head, ['rmsNorm', 'logits']);
  if (embeddingFactor === undefined || embedding?.index !== 'token' || embedding.offset !== 0) {
    return refuse('what is before its blocks is not an embedding of tokens alone');
  }
  if (logitFactor === undefined || finalNorm === undefined || logits === undefined) {
    return refuse('what is behind its blocks is not a norm with a head');
  }
  if ([...norms, ...headNorms].some(({ epsilon }) => epsilon !== finalNorm.epsilon)) {
    refuse('its norms have different epsilons');
  }
  if ([...norms, ...headNorms, finalNorm].some(({ offset = 0 }) => offset !== 0)) {
    refuse('its norms have an offset');
  }
  const ropes = [...new Set(kinds.map(({ rope }) => rope))];
  const channels = new Set(ropes.flatMap((spec) => spec?.channels ?? []));
  if (channels.size > 1) refuse('its layers turn different parts of heads');
  const kindOf = (layer: number) => kinds[program.kindOf?.(layer) ?? 0]!;
  const layers = Array.from({ length: description.blocks }, (_, layer) => kindOf(layer));
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
      epsilon: finalNorm.epsilon / residual ** 2,
      headEpsilon: finalNorm.epsilon,
      embeddingFactor: embeddingFactor / residual,
      scale: attention.scale,
    },
    linears: applied,
    inputNorm: norms[0]!.weight,
    middleNorm: norms[1]!.weight,
    headNorms: query && key && { query: query.weight, key: key.weight },
    windows: layers.map(windowOf),
    embedding: embedding.table,
    finalNorm: finalNorm.weight,
    head: logits.weight,
    ropes,
    ropeOf: layers.map(({ rope }) => ropes.indexOf(rope)),
    rotated: [...channels][0] ?? attention.headDim,
    logitFactor,
  };
}

/** q, k and v, by their places among the linears. */
const QKV: ReadonlySet<number> = new Set([0, 1, 2]);

/** What a kind of block is made of. */
interface Kind {
  /** Without the multipliers. */
  readonly block: readonly BlockOp[];
  /** What attention and MLP are multiplied by before they are added to the stream. */
  readonly residual: number;
  /** Names of its linears, in order. */
  readonly applied: readonly string[];
  readonly norms: readonly OpNamed<'rmsNorm'>[];
  /** Of q and k, or none. */
  readonly headNorms: readonly OpNamed<'rmsNorm'>[];
  readonly rope: RopeSpec | undefined;
  readonly attention: OpNamed<'attention'>;
}

/** The factor of the operation 'scale' that may follow the first one; undefined where other operations stand there. */
function factorOf(ops: readonly ProgramOp[], others: readonly ProgramOp['op'][]): number | undefined {
  const [, scale] = ops;
  const rest = scale?.op === 'scale' ? ops.toSpliced(1, 1) : ops;
  if (rest.map(({ op }) => op).join() !== others.join()) return undefined;
  return scale?.op === 'scale' ? scale.factor : 1;
}

/** How q and k of a layer turn that do not: a program has them multiplied by 1 in that place. */
const STILL: RopeSpec = { type: 'default', channels: 0, theta: 1 };

/** A block without the multipliers before its sums, which have to be one, and with q and k turned, be it by nothing. */
function withoutMultipliers(block: readonly BlockOp[], refuse: Refuse) {
  const multiplied = new Map<string, string>();
  const factors = new Set<number>();
  let sums = 0;
  const ops = block.flatMap((op): BlockOp[] => {
    if (op.op === 'scale') {
      const { input, output, factor } = op;
      if (block.some((other) => other.op === 'add' && other.right === output)) {
        multiplied.set(output, input);
        factors.add(factor);
        return [];
      }
      if (factor === 1) return [{ op: 'rope', input, output, heads: 0, headDim: 0, spec: STILL }];
    }
    if (op.op !== 'add') return [op];
    sums++;
    return [{ ...op, right: multiplied.get(op.right) ?? op.right }];
  });
  if (factors.size > 1 || (factors.size === 1 && multiplied.size !== sums)) {
    refuse('its sums have different multipliers');
  }
  return { block: ops, residual: [...factors][0] ?? 1 };
}

function kindOfBlock(given: readonly BlockOp[], refuse: Refuse): Kind {
  const { block, residual } = withoutMultipliers(given, refuse);
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
  if (all(block, 'rope').some(({ spec }) => spec !== rope.spec)) refuse('q and k turn in different ways');
  if (attention.sinks !== undefined) refuse('its attention has sinks');
  return {
    block,
    residual,
    applied: all(block, 'linear').map(({ linear }) => linear),
    norms,
    headNorms,
    rope: rope.spec === STILL ? undefined : rope.spec,
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
