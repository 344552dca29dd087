import { reconstruct, reconstructOptions } from '@esparse/reconstruction';
import { definePipeline } from '@esparse/sparsity';
import { eSparsePipeline } from './e-sparse.ts';

/** E-Sparse's order and mask, then the weights of the survivors by least squares. */
export const eSparseReconstructPipeline = definePipeline({
  name: 'e-sparse-reconstruct',
  summary: 'E-Sparse, then the least-squares weights of the survivors on the calibration inputs',
  options: eSparsePipeline.options.extend(reconstructOptions.shape),
  create: ({ damping, steps, ...options }) => ({
    ...eSparsePipeline.create(options),
    stages: [reconstruct({ damping, steps })],
  }),
});
