import type { ModelDescription, ProgramOp } from '@esparse/model';
import { cpuOperationOf, type Action, type OperationContext } from './operations.ts';
import { planProgram, type Ends, type Plan } from './plan.ts';

/** A part of a model's program, ready to run. */
export interface Section {
  /** Channels of each buffer; buffer 0 is that of `Ends`. */
  readonly buffers: readonly number[];
  /** The buffer of a value. */
  bufferOf(value: string): number;
  /**
   * Runs the operations over so many rows, with the values in these buffers.
   * @param repetition of which context. @default 0, the first
   */
  run(rows: number, buffers: readonly Float32Array[], repetition?: number): void;
}

export interface SectionOptions {
  readonly description: ModelDescription;
  readonly program: readonly ProgramOp[];
  readonly ends: Ends;
  /** For each repetition of the program, what its operations find: one for each block that runs it. */
  readonly contexts: readonly ((operation: number) => Omit<OperationContext, keyof Lookups>)[];
}

/** What a section itself gives its operations. */
type Lookups = Pick<OperationContext, 'value' | 'width' | 'description' | 'section'>;

/** Turns a part of the program into calls of kernels, over buffers that are made by the caller. */
export function createSection({ description, program, ends, contexts }: SectionOptions): Section {
  const plan = planProgram(description, program, ends);
  const lookups: Lookups = {
    description,
    section: createSection,
    value: plan.indexOf,
    width: (name: string) => plan.values[plan.indexOf(name)]!.width,
  };
  const actions = contexts.map((contextOf) =>
    program.map((op, i) => cpuOperationOf(op).prepare(op, { ...contextOf(i), ...lookups })),
  );
  return {
    buffers: plan.buffers,
    bufferOf: (value) => plan.values[plan.indexOf(value)]!.buffer,
    run: runner(plan, actions),
  };
}

function runner(plan: Plan, repetitions: readonly (readonly Action[])[]): Section['run'] {
  let values: Float32Array[] = [];
  let sized = -1;
  let seen: readonly Float32Array[] | undefined;
  return (rows, buffers, repetition = 0) => {
    // Decoding steps have the same number of tokens again and again.
    if (rows !== sized || buffers !== seen) {
      values = plan.values.map(({ buffer, width }) => buffers[buffer]!.subarray(0, rows * width));
      sized = rows;
      seen = buffers;
    }
    const actions = repetitions[repetition]!;
    for (let i = 0; i < actions.length; i++) actions[i]!(values, rows);
  };
}
