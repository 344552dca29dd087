import { EsparseError } from '@esparse/errors';
import { BLOCK_INPUT, BLOCK_OUTPUT, operationOf, type ModelDescription } from '@esparse/model';

/** A value of the program: how many channels it has, and in which buffer it lies. */
export interface PlannedValue {
  readonly name: string;
  readonly width: number;
  readonly buffer: number;
}

/** Where the values of a block's program lie in memory, so that few buffers serve all of them. */
export interface Plan {
  readonly values: readonly PlannedValue[];
  /** Index into `values` by name. */
  readonly indexOf: (name: string) => number;
  /** Channels of each buffer: its widest value's. */
  readonly buffers: readonly number[];
}

/**
 * Gives each value a buffer that no other value needs while it lives. Block input and output share buffer 0, so that one
 * block's output is the next one's input.
 *
 * @throws EsparseError 'unsupported' for a program whose last operation cannot write over its input
 */
export function planProgram(description: ModelDescription): Plan {
  const { program, hidden } = description;
  const lastUse = new Map<string, number>();
  for (const [i, op] of program.entries())
    for (const input of operationOf(op).inputs(op)) lastUse.set(input, i);
  const last = program.at(-1);
  const inputDies = lastUse.get(BLOCK_INPUT) ?? -1;
  if (
    last?.output !== BLOCK_OUTPUT ||
    (inputDies === program.length - 1 && operationOf(last).elementwise !== true)
  ) {
    throw new EsparseError(
      'unsupported',
      `the program of a ${description.family} block cannot be run in place`,
    );
  }
  const values: PlannedValue[] = [{ name: BLOCK_INPUT, width: hidden, buffer: 0 }];
  const byName = new Map([[BLOCK_INPUT, 0]]);
  const buffers = [hidden];
  const free: number[] = [];
  const widthOf = (name: string) => values[byName.get(name)!]!.width;
  for (const [i, op] of program.entries()) {
    const width = operationOf(op).width(op, { description, widthOf });
    const buffer = op.output === BLOCK_OUTPUT ? 0 : (free.pop() ?? buffers.push(0) - 1);
    buffers[buffer] = Math.max(buffers[buffer]!, width);
    byName.set(op.output, values.push({ name: op.output, width, buffer }) - 1);
    for (const input of new Set(operationOf(op).inputs(op))) {
      const used = values[byName.get(input)!]!.buffer;
      if (lastUse.get(input) === i && used !== 0) free.push(used);
    }
  }
  return {
    values,
    buffers,
    indexOf(name) {
      const index = byName.get(name);
      if (index === undefined) throw new EsparseError('internal', `the program defines no value '${name}'`);
      return index;
    },
  };
}
