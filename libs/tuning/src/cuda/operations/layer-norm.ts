import type { OpNamed } from '@esparse/model';
import type { CudaOperation } from '../operation.ts';
import { normOperation } from './norm.ts';

/** `output = (input - mean) / sqrt(variance + epsilon) * weight + bias`, per row. */
export const layerNorm: CudaOperation<OpNamed<'layerNorm'>> = normOperation((op: OpNamed<'layerNorm'>) => ({
  ...op,
  ...{ offset: 0, groups: 1, centred: true },
}));
