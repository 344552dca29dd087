import { EsparseError } from '@esparse/errors';
import { addon, type Addon } from '../addon.ts';

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
 * What the inference kernels run on: the fastest instruction set there is, or `reference`, TypeScript, where there is no
 * addon. `ESPARSE_ISA` forces one, for tests and benchmarks: the results are the same bits.
 *
 * @throws EsparseError 'unsupported' where `ESPARSE_ISA` names one that is not there
 */
export function computeInstructionSet(): InstructionSet | 'reference' {
  const there = instructionSets();
  const forced = process.env.ESPARSE_ISA;
  if (forced === undefined || forced === '') return there[0] ?? 'reference';
  if (forced === 'reference') return forced;
  const found = there.find((name) => name === forced);
  if (found !== undefined) return found;
  throw new EsparseError('unsupported', `ESPARSE_ISA asks for ${forced}, which is not there`, {
    hint: `one of ${[...there, 'reference'].join(', ')}`,
  });
}

let chosen: { readonly native: Addon; readonly instructionSet: InstructionSet } | null | undefined;

/**
 * What the kernels that work on vectors (norms, rope, attention, element by element) run on in this process: chosen at the
 * first call, see `computeInstructionSet`. Null where that is the TypeScript reference.
 */
export function vectorKernels(): Exclude<typeof chosen, undefined> {
  if (chosen !== undefined) return chosen;
  const instructionSet = computeInstructionSet();
  const native = addon();
  chosen = native === null || instructionSet === 'reference' ? null : { native, instructionSet };
  return chosen;
}
