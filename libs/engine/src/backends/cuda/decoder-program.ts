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
  /** Tensors outside of the blocks. */
  readonly embedding: string;
  readonly finalNorm: string;
  /** The embedding itself, where it is tied. */
  readonly head: string;
  readonly rope: RopeSpec;
}

/** The operations of a block, in order: RMSNorm, rotary embedding, grouped queries, SwiGLU. */
const BLOCK = [
  'rmsNorm',
  ...['linear', 'linear', 'linear', 'rope', 'rope', 'attention', 'linear', 'add'],
  'rmsNorm',
  ...['linear', 'linear', 'gatedActivation', 'linear', 'add'],
];

/**
 * Recognises a decoder of LLaMA's shape, whatever its family calls its parts.
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
  const [block, ...otherKinds] = program.blocks as readonly [readonly BlockOp[], ...(readonly BlockOp[])[]];
  if (program.blocks.flat().some(({ op }) => op === 'experts')) refuse('it has a mixture of experts');
  if (otherKinds.length > 0) refuse('its layers are of several kinds');
  checkOperations(block, refuse);
  checkFlow(block, refuse);
  const biased = linears.find(({ bias }) => bias !== undefined);
  if (biased !== undefined) refuse(`${biased.name} has a bias`);

  const [norms, applied, [rope]] = [all(block, 'rmsNorm'), all(block, 'linear'), all(block, 'rope')];
  const [attention] = all(block, 'attention') as [OpNamed<'attention'>];
  const [embedding] = all(program.embed, 'embedding');
  const [finalNorm] = all(program.head, 'rmsNorm');
  const [logits] = all(program.head, 'logits');
  if (program.embed.length !== 1 || embedding?.index !== 'token' || embedding.offset !== 0) {
    return refuse('what is before its blocks is not an embedding of tokens alone');
  }
  if (program.head.length !== 2 || finalNorm === undefined || logits === undefined) {
    return refuse('what is behind its blocks is not a norm with a head');
  }
  checkNorms([...norms, finalNorm], refuse);
  if (all(block, 'gatedActivation').some(({ activation }) => activation !== 'silu')) {
    refuse('its activation is not silu');
  }
  if (attention.sinks !== undefined) refuse('its attention has sinks');
  if (attention.window !== undefined && attention.window < maxContext) {
    refuse(`its attention has a window of ${attention.window}, and sequences may have ${maxContext} tokens`);
  }
  if (rope!.spec.channels !== attention.headDim) refuse('a part of its heads is rotated only');
  return {
    shape: {
      hidden: description.hidden,
      inner: linears.find(({ name }) => name === applied[4]!.linear)!.rows,
      layers: description.blocks,
      heads: attention.heads,
      kvHeads: attention.kvHeads,
      headDim: attention.headDim,
      vocab: description.vocab,
      epsilon: finalNorm.epsilon,
      scale: attention.scale,
    },
    linears: applied.map(({ linear }) => linear),
    inputNorm: norms[0]!.weight,
    middleNorm: norms[1]!.weight,
    embedding: embedding.table,
    finalNorm: finalNorm.weight,
    head: logits.weight,
    rope: rope!.spec,
  };
}

type Refuse = (what: string) => never;

function checkOperations(block: readonly BlockOp[], refuse: Refuse): void {
  const strange = block.find(({ op }, i) => op !== BLOCK[i])?.op;
  if (strange !== undefined)
    refuse(`its blocks have '${strange}' where those of LLaMA have another operation`);
  if (block.length < BLOCK.length) refuse('its blocks end before those of LLaMA do');
}

function checkNorms(norms: readonly OpNamed<'rmsNorm'>[], refuse: Refuse): void {
  if (new Set(norms.map(({ epsilon }) => epsilon)).size > 1) refuse('its norms have different epsilons');
  if (norms.some(({ offset = 0, groups = 1 }) => offset !== 0 || groups !== 1)) {
    refuse('its norms have an offset, or are of heads');
  }
}

function all<Name extends ProgramOp['op']>(ops: readonly ProgramOp[], name: Name): OpNamed<Name>[] {
  return ops.filter(({ op }) => op === name);
}

/** What each operation must read: the results of the operations of these numbers; -1 is the block's input. */
const READS: readonly (readonly number[])[] = [
  [-1],
  ...[[0], [0], [0], [1], [2], [4, 5, 3], [6], [-1, 7]],
  [8],
  ...[[9], [9], [10, 11], [12], [8, 13]],
];

function checkFlow(block: readonly BlockOp[], refuse: Refuse): void {
  const first = block[0] as OpNamed<'rmsNorm'>;
  const nameOf = (i: number) => (i < 0 ? first.input : block[i]!.output);
  for (const [i, op] of block.entries()) {
    if (operationOf(op).inputs(op).join() !== READS[i]!.map(nameOf).join()) {
      refuse(`operation ${i} of its blocks, '${op.op}', reads other values than in those of LLaMA`);
    }
  }
}
