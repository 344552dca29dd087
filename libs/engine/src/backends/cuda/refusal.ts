import { EsparseError } from '@esparse/errors';

/** Says what the kernels do not have. */
export type Refuse = (what: string) => never;

/** @returns what throws EsparseError 'unsupported' with the family's name */
export function refusalOf(family: string): Refuse {
  return (what) => {
    throw new EsparseError('unsupported', `the CUDA kernels do not run this ${family} model: ${what}`, {
      hint: 'docs/gpu.md says what they run; use --device cpu',
    });
  };
}
