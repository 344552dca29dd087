import { EsparseError } from '@esparse/errors';
import { ofKind, slotShapes } from './block-parts.ts';
import type { ModelDescription } from './description.ts';
import { describeExpert } from './expert.ts';
import type { ExpertsOp } from './operations/experts.ts';
import { operationOf, type BlockOp, type ProgramOp } from './operations/index.ts';
import type { Operation } from './operations/operation.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT, kindOf, LOGITS, widthsOf } from './program.ts';

/** The parts of a program, as messages call them. */
type ProgramPart = NonNullable<Operation<never>['part']>;

/**
 * Checks that a description holds together: values are defined once and before they are read, parameters are among the
 * tensors, every linear is used once and reads its tap, and each part of the program ends where the next begins.
 * @throws EsparseError 'usage' naming the family and what is wrong: the family is at fault, not the checkpoint
 */
export function checkProgram(description: ModelDescription): void {
  const { hidden, vocab, program, outerTensors } = description;
  const outer = { part: 'embed', slots: new Set(outerTensors.map(({ name }) => name)) } as const;
  const embed = checkOps(description, outer, program.embed, {});
  checkEnd(description, 'embed', embed, BLOCK_INPUT, hidden);
  const head = checkOps(description, { ...outer, part: 'head' }, program.head, { [BLOCK_OUTPUT]: hidden });
  checkEnd(description, 'head', head, LOGITS, vocab);
  if (program.head.at(-1)?.op !== 'logits')
    refuse(description, "its head does not end with the operation 'logits'");
  for (const [kind, block] of program.blocks.entries()) {
    const slots = new Set(slotShapes(description, kind).keys());
    const ofThisKind = {
      ...description,
      linears: ofKind(description.linears, kind),
      taps: ofKind(description.taps, kind),
    };
    checkBlock(ofThisKind, slots, block);
  }
  for (let block = 0; block < description.blocks; block++) {
    const kind = kindOf(program, block);
    if (program.blocks[kind] === undefined)
      refuse(description, `block ${block} is of the kind ${kind}, of which there is no program`);
  }
}

/** A kind of block: what is outside of its experts, then each of these. */
function checkBlock(
  description: ModelDescription,
  slots: ReadonlySet<string>,
  block: readonly BlockOp[],
): void {
  const own = {
    ...description,
    linears: description.linears.filter(({ expert }) => expert === undefined),
    taps: description.taps.filter(({ expert }) => expert === undefined),
  };
  const values = checkOps(own, { part: 'block', slots }, block, { [BLOCK_INPUT]: description.hidden });
  checkEnd(own, 'block', values, BLOCK_OUTPUT, description.hidden);
  checkLinears(own, block, values);
  const mixtures = block.filter((op) => op.op === 'experts');
  const experts = Math.max(...description.linears.map(({ expert = -1 }) => expert)) + 1;
  if (mixtures.length > 1) refuse(description, 'its block has more than one mixture of experts');
  if ((mixtures[0]?.experts ?? 0) !== experts)
    refuse(description, `its block has linears of ${experts} experts, and runs ${mixtures[0]?.experts ?? 0}`);
  for (const mixture of mixtures) checkExperts(description, slots, mixture, values);
}

/** Every expert has the same linears, so that one graph serves all of them. */
function checkExperts(
  description: ModelDescription,
  slots: ReadonlySet<string>,
  { input, output, experts, routing, program }: ExpertsOp,
  values: ReadonlyMap<string, number>,
): void {
  checkEnd(description, 'block', values, routing, experts);
  const shapeOf = ({ linears }: ModelDescription) =>
    linears
      .map(({ name, tap, rows, cols, bias }) => [name, tap, rows, cols, bias !== undefined].join(' '))
      .join();
  const [linears, taps] = [byExpert(description.linears), byExpert(description.taps)];
  const ofExpert = (expert: number) =>
    describeExpert(
      { ...description, linears: linears.get(expert) ?? [], taps: taps.get(expert) ?? [] },
      expert,
    );
  const slotsOf = shortSlots(slots);
  const first = shapeOf(ofExpert(0));
  for (let expert = 0; expert < experts; expert++) {
    const own = ofExpert(expert);
    if (shapeOf(own) !== first)
      refuse(description, `the linears of its expert ${expert} are not those of its first`);
    const within = { part: 'block', slots: slotsOf.get(expert) ?? new Set<string>() } as const;
    const width = values.get(input)!;
    const found = checkOps(own, within, program, { [input]: width });
    checkEnd(own, 'block', found, output, width);
    checkLinears(own, program, found);
  }
}

/** Linears, or taps, by their expert: there may be thousands. */
function byExpert<Spec extends { readonly expert?: number }>(
  specs: readonly Spec[],
): ReadonlyMap<number, readonly Spec[]> {
  const found = new Map<number, Spec[]>();
  for (const spec of specs) {
    if (spec.expert === undefined) continue;
    const own = found.get(spec.expert) ?? [];
    found.set(spec.expert, own);
    own.push(spec);
  }
  return found;
}

/** The slots of each expert, as its program knows them. */
function shortSlots(slots: ReadonlySet<string>): ReadonlyMap<number, ReadonlySet<string>> {
  const found = new Map<number, Set<string>>();
  for (const slot of slots) {
    const [, expert, name] = /^experts\.(\d+)\.(.*)$/.exec(slot) ?? [];
    if (expert === undefined || name === undefined) continue;
    const own = found.get(Number(expert)) ?? new Set();
    found.set(Number(expert), own);
    own.add(name);
  }
  return found;
}

/** What the operations of a part may name, beside values. */
interface Scope {
  readonly part: ProgramPart;
  readonly slots: ReadonlySet<string>;
}

/** @returns the channels of every value */
function checkOps(
  description: ModelDescription,
  { part, slots }: Scope,
  ops: readonly ProgramOp[],
  given: Readonly<Record<string, number>>,
): ReadonlyMap<string, number> {
  const defined = new Set(Object.keys(given));
  for (const op of ops) {
    const { inputs, parameters, part: only = part } = operationOf(op);
    if (only !== part)
      refuse(description, `its ${part} has the operation '${op.op}', which belongs to the ${only}`);
    for (const input of inputs(op)) {
      if (!defined.has(input)) refuse(description, `its ${part} reads '${input}' before it is defined`);
    }
    if (defined.has(op.output)) refuse(description, `its ${part} defines '${op.output}' twice`);
    defined.add(op.output);
    if (op.op === 'linear' && !description.linears.some(({ name }) => name === op.linear)) {
      refuse(description, `its ${part} uses the linear '${op.linear}', which it does not list`);
    }
    for (const slot of parameters?.(op, description) ?? []) {
      if (!slots.has(slot)) refuse(description, `its ${part} reads '${slot}', which is no tensor of it`);
    }
  }
  return widthsOf(description, ops, given);
}

/** Every linear is used once, and reads its tap. */
function checkLinears(
  description: ModelDescription,
  ops: readonly BlockOp[],
  values: ReadonlyMap<string, number>,
): void {
  const { linears, taps } = description;
  for (const { name, channels } of taps) checkEnd(description, 'block', values, name, channels);
  for (const { name, tap, cols } of linears) {
    const uses = ops.filter((op) => op.op === 'linear' && op.linear === name);
    if (uses.length !== 1)
      refuse(description, `its block uses the linear '${name}' ${uses.length} times, not once`);
    if (!taps.some((candidate) => candidate.name === tap))
      refuse(description, `'${name}' reads the tap '${tap}', which it does not list`);
    if (operationOf(uses[0]!).inputs(uses[0]!)[0] !== tap)
      refuse(description, `its linear '${name}' does not read the tap '${tap}'`);
    checkEnd(description, 'block', values, tap, cols);
  }
}

function checkEnd(
  description: ModelDescription,
  part: ProgramPart,
  widths: ReadonlyMap<string, number>,
  value: string,
  channels: number,
): void {
  const width = widths.get(value);
  if (width === undefined) refuse(description, `its ${part} does not define '${value}'`);
  if (width !== channels)
    refuse(description, `'${value}' of its ${part} has ${width} channels, not ${channels}`);
}

function refuse({ family }: ModelDescription, what: string): never {
  throw new EsparseError('usage', `model family '${family}' describes no model: ${what}`, {
    hint: 'what a description must hold is in docs/families.md',
  });
}
