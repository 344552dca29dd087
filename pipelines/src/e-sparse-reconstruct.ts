import { reconstruct } from '@esparse/reconstruction';
import { eSparsePipeline } from './e-sparse.ts';
import type { Pipeline } from './pipeline.ts';

/** E-Sparse's order and mask, then the weights of the survivors by least squares. */
export const eSparseReconstructPipeline: Pipeline = {
  ...eSparsePipeline,
  name: 'e-sparse-reconstruct',
  summary: 'E-Sparse, then the least-squares weights of the survivors on the calibration inputs',
  version: 1,
  stages: () => [reconstruct()],
};
