import type { OpNamed } from '@esparse/model';
import type { CudaOperation } from '../operation.ts';
import { normOperation } from './norm.ts';

/** `output = input / sqrt(mean(input²) + epsilon) * (weight + offset)`, per row or head. */
export const rmsNorm: CudaOperation<OpNamed<'rmsNorm'>> = normOperation(
  ({ offset = 0, groups = 1, ...op }: OpNamed<'rmsNorm'>) => ({
    ...op,
    ...{ offset, groups, centred: false },
  }),
);
