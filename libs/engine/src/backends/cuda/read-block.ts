import type { DecoderActivation } from '@esparse/cuda';
import type { BlockOp, OpNamed, RopeSpec } from '@esparse/model';
import { createProgramReader, type ProgramReader } from './program-reader.ts';
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

/** What stands between the linears of an MLP. */
interface Activated {
  readonly activation: DecoderActivation;
  readonly clamped: { readonly alpha: number; readonly limit: number } | undefined;
}

/** What a block is made of. */
export interface BlockProgram extends Activated {
  /**
   * Names of q, k, v, o, gate, up and down; without a gate, the linear before down is 'gate' and up undefined. With experts
   * the last three are undefined.
   */
  readonly linears: readonly (string | undefined)[];
  /** Slots of the router, and the names of gate, up and down of each expert. */
  readonly experts:
    | {
        readonly router: string;
        readonly bias: string | undefined;
        readonly experts: number;
        readonly top: number;
        readonly normalise: boolean;
        readonly linears: readonly [gate: string, up: string, down: string];
      }
    | undefined;
  readonly norms: {
    readonly attention: PartNorms;
    readonly mlp: PartNorms;
    readonly query: NormProgram | undefined;
    readonly key: NormProgram | undefined;
  };
  readonly attention: Pick<OpNamed<'attention'>, 'heads' | 'kvHeads' | 'headDim' | 'scale'>;
  /** Slot of the sinks of its heads. */
  readonly sinks: string | undefined;
  readonly window: number | undefined;
  /** How q and k turn; undefined: not at all. */
  readonly rope: RopeSpec | undefined;
  /** What attention and MLP are multiplied by before they are added to the stream. */
  readonly residual: number;
}

type Norm = OpNamed<'rmsNorm'> | OpNamed<'layerNorm'>;

/** Reads a block from its output back to its input, operation by operation; none may be left over. */
export function readBlock(block: readonly BlockOp[], refuse: Refuse): BlockProgram {
  const reader = createProgramReader(block, refuse);
  const { must, isMade } = reader;
  const mlp = added(block.at(-1)!.output, reader);
  const made = must(mlp.from, 'linear', 'experts');
  const inside = made.op === 'experts' ? ofExperts(made, reader, refuse) : ofMlp(made, reader);
  const beforeMlp = entered(inside.reads, mlp.stream, reader, refuse);
  const part = added(mlp.stream, reader);
  if (isMade(part.stream)) refuse('its blocks have more than attention and an MLP');
  const o = must(part.from, 'linear');
  const attention = must(o.input, 'attention');
  const [query, key] = [
    positioned(attention.query, reader, refuse),
    positioned(attention.key, reader, refuse),
  ];
  const value = must(attention.value, 'linear');
  if (query.rope !== key.rope) refuse('q and k turn in different ways');
  const reads = [query.linear, key.linear, value].map(({ input }) => input);
  const beforeAttention = entered(reads, part.stream, reader, refuse);
  if (part.residual !== mlp.residual) refuse('its sums have different multipliers');
  reader.end();

  const { heads, kvHeads, headDim, scale, window, sinks } = attention;
  const norm = (op: Norm | undefined) => op && normOf(op);
  const whole = (op: Norm | undefined) => {
    const of = norm(op);
    if (of !== undefined && of.groups !== 1) refuse('its norms are of heads');
    return of;
  };
  return {
    linears: [query.linear.linear, key.linear.linear, value.linear, o.linear, ...inside.linears],
    experts: inside.experts,
    norms: {
      attention: { before: whole(beforeAttention), after: whole(part.after) },
      mlp: { before: whole(beforeMlp), after: whole(mlp.after) },
      query: norm(query.norm),
      key: norm(key.norm),
    },
    attention: { heads, kvHeads, headDim, scale },
    sinks,
    window,
    rope: query.rope,
    activation: inside.activation,
    clamped: inside.clamped,
    residual: mlp.residual,
  };
}

/** What is added to the stream, and what its norm and multiplier read. */
function added(value: string, { must, maybe }: ProgramReader) {
  const sum = must(value, 'add');
  const factor = maybe(sum.right, 'scale');
  const after = maybe(factor?.input ?? sum.right, 'rmsNorm');
  return {
    stream: sum.left,
    residual: factor?.factor ?? 1,
    after,
    from: after?.input ?? factor?.input ?? sum.right,
  };
}

/** The norm before what reads these values, which are one: the stream, normed or as it is. */
function entered(
  values: readonly string[],
  stream: string,
  { maybe }: ProgramReader,
  refuse: Refuse,
): Norm | undefined {
  const [first] = values as [string];
  if (values.some((value) => value !== first)) {
    refuse('linears of its blocks that read together read different values');
  }
  const norm = maybe(first, 'rmsNorm', 'layerNorm');
  const same = norm === undefined ? maybe(first, 'scale') : undefined;
  if (same !== undefined && same.factor !== 1) refuse('what its linears read is multiplied');
  if ((norm?.input ?? same?.input ?? first) !== stream) {
    refuse('its attention or MLP reads other values than the stream that it is added to');
  }
  return norm;
}

/** From attention back to a linear: turned and normed. */
function positioned(value: string, { must, maybe }: ProgramReader, refuse: Refuse) {
  const turn = maybe(value, 'rope', 'scale');
  if (turn?.op === 'scale' && turn.factor !== 1) refuse('its q or k is multiplied');
  const norm = maybe(turn?.input ?? value, 'rmsNorm');
  const linear = must(norm?.input ?? turn?.input ?? value, 'linear');
  return { linear, norm, rope: turn?.op === 'rope' ? turn.spec : undefined };
}

/** From down back to what gate and up read, or the only linear. */
function ofMlp(down: OpNamed<'linear'>, { must }: ProgramReader) {
  const activated = must(down.input, 'gatedActivation', 'clampedSwiglu', 'activation');
  const [gate, up] =
    activated.op === 'activation'
      ? [must(activated.input, 'linear')]
      : [must(activated.gate, 'linear'), must(activated.up, 'linear')];
  const how: Activated =
    activated.op === 'clampedSwiglu'
      ? { activation: 'clamped', clamped: { alpha: activated.alpha, limit: activated.limit } }
      : { activation: activated.activation, clamped: undefined };
  return {
    ...how,
    linears: [gate.linear, up?.linear, down.linear],
    reads: [gate.input, ...(up === undefined ? [] : [up.input])],
    experts: undefined,
  };
}

/** Experts are gated MLPs, all of one program, and read what the router reads. */
function ofExperts(op: OpNamed<'experts'>, { must }: ProgramReader, refuse: Refuse) {
  const router = must(op.routing, 'router');
  const reader = createProgramReader(op.program, refuse);
  const { linears, reads, ...how } = ofMlp(reader.must(op.output, 'linear'), reader);
  reader.end();
  const [gate, up, down] = linears;
  if (gate === undefined || up === undefined || down === undefined) return refuse('its experts have no gate');
  if (reads.some((value) => value !== op.input)) refuse('its experts read other values than their tokens');
  const { experts, top, normalise } = router;
  return {
    ...how,
    linears: [undefined, undefined, undefined],
    reads: [op.input, router.input],
    experts: {
      ...{ router: router.weight, bias: router.bias, experts, top, normalise },
      linears: [gate, up, down] as const,
    },
  };
}

/** A norm as its program has it. */
export function normOf(op: Norm): NormProgram {
  const { weight, epsilon } = op;
  if (op.op === 'layerNorm') return { kind: 'layer', weight, shift: op.bias, offset: 0, epsilon, groups: 1 };
  const { offset = 0, groups = 1 } = op;
  return { kind: 'rms', weight, shift: undefined, offset, epsilon, groups };
}
