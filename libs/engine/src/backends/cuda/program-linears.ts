import { EsparseError } from '@esparse/errors';
import { expertPart, type LinearSpec, type ModelDescription } from '@esparse/model';
import type { DecoderProgram } from './decoder-program.ts';

/** A model, and how the kernels run it. */
export interface ProgrammedModel {
  readonly description: ModelDescription;
  readonly program: DecoderProgram;
}

/** The linears of a block, in the order of `DECODER_LINEARS`. */
export function linearsOf({ description, program }: ProgrammedModel): (LinearSpec | undefined)[] {
  return program.linears.map((name) => (name === undefined ? undefined : named(description.linears, name)));
}

/** Gate, up and down of an expert. */
export function expertLinearsOf({ description, program }: ProgrammedModel, expert: number): LinearSpec[] {
  const names = program.experts?.linears ?? [];
  return names.map((name) => named(description.linears, expertPart(expert, name)));
}

/** @throws EsparseError 'internal' where a program names what its model does not have */
export function named<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((candidate) => candidate.name === name);
  if (found === undefined)
    throw new EsparseError('internal', `the program's parameter '${name}' is not there`);
  return found;
}
