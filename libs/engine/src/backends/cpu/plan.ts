import { EsparseError } from '@esparse/errors';
import { operationOf, type ModelDescription, type ProgramOp } from '@esparse/model';

/** A value of the program: how many channels it has, and in which buffer it lies. */
export interface PlannedValue {
  readonly name: string;
  readonly width: number;
  readonly buffer: number;
}

/** Where the values of a part of the program lie in memory, so that few buffers serve all of them. */
export interface Plan {
  readonly values: readonly PlannedValue[];
  /** Index into `values` by name. */
  readonly indexOf: (name: string) => number;
  /** Channels of each buffer: its widest value's. */
  readonly buffers: readonly number[];
}

/** What lies in buffer 0, which serves no other value. */
export interface Ends {
  /** The value, (rows x hidden), that is there before the first operation. @default none */
  readonly input?: string;
  /** The value that the last operation defines. @default it is given a buffer as any other is */
  readonly output?: string;
}

/**
 * Gives each value a buffer that no other value needs while it lives. Where input and output share buffer 0, one block's
 * output is the next one's input.
 *
 * @throws EsparseError 'unsupported' for a program whose last operation cannot write over its input
 */
export function planProgram(
  description: ModelDescription,
  program: readonly ProgramOp[],
  { input, output }: Ends,
): Plan {
  const lastUse = new Map<string, number>();
  for (const [i, op] of program.entries()) {
    for (const value of operationOf(op).inputs(op)) lastUse.set(value, i);
  }
  const values: PlannedValue[] = [];
  const byName = new Map<string, number>();
  const buffers = [0];
  const define = (name: string, width: number, buffer: number) => {
    buffers[buffer] = Math.max(buffers[buffer]!, width);
    byName.set(name, values.push({ name, width, buffer }) - 1);
  };
  const free: number[] = [];
  const widthOf = (name: string) => values[byName.get(name)!]!.width;

  if (input !== undefined) define(input, description.hidden, 0);
  if (input !== undefined && output !== undefined && !canShare(program, lastUse.get(input))) {
    throw new EsparseError(
      'unsupported',
      `the program of a ${description.family} block cannot be run in place`,
    );
  }
  for (const [i, op] of program.entries()) {
    const operation = operationOf(op);
    const width = operation.width(op, { description, widthOf });
    define(op.output, width, op.output === output ? 0 : (free.pop() ?? buffers.push(0) - 1));
    for (const value of new Set(operation.inputs(op))) {
      const used = values[byName.get(value)!]!.buffer;
      if (lastUse.get(value) === i && used !== 0) free.push(used);
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

/** Whether the last operation may write where the input lies, which is read last by operation `lastRead`. */
function canShare(program: readonly ProgramOp[], lastRead: number | undefined): boolean {
  const last = program.at(-1);
  if (last === undefined) return false;
  return lastRead !== program.length - 1 || operationOf(last).elementwise === true;
}
