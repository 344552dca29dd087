import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';

/**
 * The instructions that the inference kernels were written for. `avx512` needs VBMI2, `avx512-base` does without; `portable`
 * is plain C++.
 */
export type InstructionSet = 'avx512' | 'avx512-base' | 'avx2' | 'neon' | 'portable';

/** Those that this build and processor have, the fastest first; none where there is no addon. */
export function instructionSets(): readonly InstructionSet[] {
  return (addon()?.instructionSets() ?? []) as InstructionSet[];
}

/**
 * The instruction set that is asked for, by an option or by `ESPARSE_ISA`, for tests and benchmarks: the results are the
 * same bits. Without either the fastest there is, or `reference`, TypeScript, where there is no addon.
 *
 * @throws EsparseError 'unsupported' where it is not there
 */
export function chooseInstructionSet(asked?: InstructionSet | 'reference'): InstructionSet | 'reference' {
  const there = instructionSets();
  const name = asked ?? process.env.ESPARSE_ISA;
  if (name === undefined || name === '') return there[0] ?? 'reference';
  if (name === 'reference') return name;
  const found = there.find((set) => set === name);
  if (found !== undefined) return found;
  const who = asked === undefined ? 'ESPARSE_ISA' : 'an option';
  throw new EsparseError('unsupported', `${who} asks for ${name}, which is not there`, {
    hint: `one of ${[...there, 'reference'].join(', ')}`,
  });
}
