import type { DecoderActivation } from '@esparse/cuda';
import type { BlockOp, OpNamed, RopeSpec } from '@esparse/model';
import type { Refuse } from './refusal.ts';

/** A norm of a program. */
export interface NormProgram {
  readonly kind: 'rms' | 'layer';
  /** Slot of its weight. */
  readonly weight: string;
  /** Slot of what a layer norm adds. */
  readonly shift: string | undefined;
  /** Added to the weight. */
  readonly offset: number;
  readonly epsilon: number;
  /** Parts of a row that are normed each by itself. */
  readonly groups: number;
}

/** The norms around attention, or an MLP. */
export interface PartNorms {
  readonly before: NormProgram | undefined;
  readonly after: NormProgram | undefined;
}

/** What a block is made of. */
export interface BlockProgram {
  /** Names of q, k, v, o, gate, up and down; without a gate, the linear before down is 'gate' and up undefined. */
  readonly linears: readonly (string | undefined)[];
  readonly norms: {
    readonly attention: PartNorms;
    readonly mlp: PartNorms;
    readonly query: NormProgram | undefined;
    readonly key: NormProgram | undefined;
  };
  readonly attention: Pick<OpNamed<'attention'>, 'heads' | 'kvHeads' | 'headDim' | 'scale'>;
  readonly window: number | undefined;
  /** How q and k turn; undefined: not at all. */
  readonly rope: RopeSpec | undefined;
  readonly activation: DecoderActivation;
  /** What attention and MLP are multiplied by before they are added to the stream. */
  readonly residual: number;
}

type Norm = OpNamed<'rmsNorm'> | OpNamed<'layerNorm'>;

/** Reads a block from its output back to its input, operation by operation; none may be left over. */
export function readBlock(block: readonly BlockOp[], refuse: Refuse): BlockProgram {
  const made = new Map(block.map((op) => [op.output, op]));
  const read = new Set<BlockOp>();
  const isOf = <Name extends BlockOp['op']>(
    op: BlockOp | undefined,
    names: readonly Name[],
  ): op is OpNamed<Name> & BlockOp => op !== undefined && (names as readonly string[]).includes(op.op);
  /** The operation that makes a value, where it is one of these. */
  const maybe = <Name extends BlockOp['op']>(
    value: string,
    ...names: Name[]
  ): (OpNamed<Name> & BlockOp) | undefined => {
    const op = made.get(value);
    if (!isOf(op, names)) return undefined;
    read.add(op);
    return op;
  };
  const must = <Name extends BlockOp['op']>(value: string, ...names: Name[]): OpNamed<Name> & BlockOp => {
    const op = maybe(value, ...names);
    if (op !== undefined) return op;
    const other = made.get(value)?.op;
    return refuse(
      `its blocks have ${other === undefined ? 'their input' : `'${other}'`} where the kernels have '${names.join("' or '")}'`,
    );
  };
  /** What is added to the stream: from its last linear on. */
  const added = (value: string) => {
    const sum = must(value, 'add');
    const factor = maybe(sum.right, 'scale');
    const after = maybe(factor?.input ?? sum.right, 'rmsNorm');
    const last = must(after?.input ?? factor?.input ?? sum.right, 'linear');
    return { stream: sum.left, residual: factor?.factor ?? 1, after, last };
  };
  /** What linears read: the stream, normed or as it is. */
  const entered = (linears: readonly OpNamed<'linear'>[], stream: string): Norm | undefined => {
    const [first] = linears as [OpNamed<'linear'>];
    if (linears.some(({ input }) => input !== first.input))
      refuse('linears of its blocks that read together read different values');
    const norm = maybe(first.input, 'rmsNorm', 'layerNorm');
    const same = norm === undefined ? maybe(first.input, 'scale') : undefined;
    if (same !== undefined && same.factor !== 1) refuse('what its linears read is multiplied');
    if ((norm?.input ?? same?.input ?? first.input) !== stream) {
      refuse('its attention or MLP reads other values than the stream that it is added to');
    }
    return norm;
  };
  /** From a linear to attention: normed and turned. */
  const positioned = (value: string) => {
    const turn = maybe(value, 'rope', 'scale');
    if (turn?.op === 'scale' && turn.factor !== 1) refuse('its q or k is multiplied');
    const norm = maybe(turn?.input ?? value, 'rmsNorm');
    const linear = must(norm?.input ?? turn?.input ?? value, 'linear');
    return { linear, norm, rope: turn?.op === 'rope' ? turn.spec : undefined };
  };

  const mlp = added(block.at(-1)!.output);
  const activated = must(mlp.last.input, 'gatedActivation', 'activation');
  const [gate, up] =
    activated.op === 'activation'
      ? [must(activated.input, 'linear')]
      : [must(activated.gate, 'linear'), must(activated.up, 'linear')];
  const beforeMlp = entered(up === undefined ? [gate] : [gate, up], mlp.stream);
  const part = added(mlp.stream);
  if (made.has(part.stream)) refuse('its blocks have more than attention and an MLP');
  const attention = must(part.last.input, 'attention');
  if (attention.sinks !== undefined) refuse('its attention has sinks');
  const [query, key, value] = [
    positioned(attention.query),
    positioned(attention.key),
    must(attention.value, 'linear'),
  ];
  if (query.rope !== key.rope) refuse('q and k turn in different ways');
  const beforeAttention = entered([query.linear, key.linear, value], part.stream);
  if (part.residual !== mlp.residual) refuse('its sums have different multipliers');
  const left = block.find((op) => !read.has(op));
  if (left !== undefined) refuse(`its blocks have '${left.op}' where the kernels have nothing`);

  const { heads, kvHeads, headDim, scale, window } = attention;
  const norm = (op: Norm | undefined) => op && normOf(op);
  const whole = (op: Norm | undefined) => {
    const of = norm(op);
    if (of !== undefined && of.groups !== 1) refuse('its norms are of heads');
    return of;
  };
  return {
    linears: [query.linear, key.linear, value, part.last, gate, up, mlp.last].map((op) => op?.linear),
    norms: {
      attention: { before: whole(beforeAttention), after: whole(part.after) },
      mlp: { before: whole(beforeMlp), after: whole(mlp.after) },
      query: norm(query.norm),
      key: norm(key.norm),
    },
    attention: { heads, kvHeads, headDim, scale },
    window,
    rope: query.rope,
    activation: activated.activation,
    residual: mlp.residual,
  };
}

/** A norm as its program has it. */
export function normOf(op: Norm): NormProgram {
  const { weight, epsilon } = op;
  if (op.op === 'layerNorm') return { kind: 'layer', weight, shift: op.bias, offset: 0, epsilon, groups: 1 };
  const { offset = 0, groups = 1 } = op;
  return { kind: 'rms', weight, shift: undefined, offset, epsilon, groups };
}
