import { EsparseError } from '@esparse/errors';
import { slotShapes, type ModelDescription } from './description.ts';
import { operationOf, type ProgramOp } from './operations/index.ts';
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
  const { family, hidden, vocab, program, linears, taps } = description;
  const refuse = (what: string) => {
    throw new EsparseError('usage', `model family '${family}' describes no model: ${what}`, {
      hint: 'what a description must hold is in docs/families.md',
    });
  };
  const outer = new Set(description.outerTensors.map(({ name }) => name));
  const slots = new Set(slotShapes(description).keys());

  const check = (part: ProgramPart, ops: readonly ProgramOp[], given: Readonly<Record<string, number>>) => {
    const defined = new Set(Object.keys(given));
    for (const op of ops) {
      const { inputs, parameters, part: only = part } = operationOf(op);
      if (only !== part) refuse(`its ${part} has the operation '${op.op}', which belongs to the ${only}`);
      for (const input of inputs(op)) {
        if (!defined.has(input)) refuse(`its ${part} reads '${input}' before it is defined`);
      }
      if (defined.has(op.output)) refuse(`its ${part} defines '${op.output}' twice`);
      defined.add(op.output);
      if (op.op === 'linear' && !linears.some(({ name }) => name === op.linear)) {
        refuse(`its ${part} uses the linear '${op.linear}', which it does not list`);
      }
      for (const slot of parameters?.(op, description) ?? []) {
        if (!(part === 'block' ? slots : outer).has(slot))
          refuse(`its ${part} reads '${slot}', which is no tensor of it`);
      }
    }
    return widthsOf(description, ops, given);
  };
  const ends = (part: ProgramPart, widths: ReadonlyMap<string, number>, value: string, channels: number) => {
    const width = widths.get(value);
    if (width === undefined) refuse(`its ${part} does not define '${value}'`);
    if (width !== channels) refuse(`'${value}' of its ${part} has ${width} channels, not ${channels}`);
  };

  ends('embed', check('embed', program.embed, {}), BLOCK_INPUT, hidden);
  ends('head', check('head', program.head, { [BLOCK_OUTPUT]: hidden }), LOGITS, vocab);
  if (program.head.at(-1)?.op !== 'logits') refuse("its head does not end with the operation 'logits'");
  for (const block of program.blocks) {
    const values = check('block', block, { [BLOCK_INPUT]: hidden });
    ends('block', values, BLOCK_OUTPUT, hidden);
    for (const { name, channels } of taps) ends('block', values, name, channels);
    for (const { name, tap, cols } of linears) {
      const uses = block.filter((op) => op.op === 'linear' && op.linear === name);
      if (uses.length !== 1) refuse(`its block uses the linear '${name}' ${uses.length} times, not once`);
      if (!taps.some((candidate) => candidate.name === tap))
        refuse(`'${name}' reads the tap '${tap}', which it does not list`);
      if (operationOf(uses[0]!).inputs(uses[0]!)[0] !== tap)
        refuse(`its linear '${name}' does not read the tap '${tap}'`);
      ends('block', values, tap, cols);
    }
  }
  for (let block = 0; block < description.blocks; block++) {
    const kind = kindOf(program, block);
    if (program.blocks[kind] === undefined)
      refuse(`block ${block} is of the kind ${kind}, of which there is no program`);
  }
}
