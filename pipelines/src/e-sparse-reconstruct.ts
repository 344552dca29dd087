import { reconstruct, reconstructOptions } from '@esparse/reconstruction';
import { definePipeline } from '@esparse/sparsity';
import { eSparsePipeline } from './e-sparse.ts';
import { quantized } from './quantized.ts';

/** E-Sparse's order, and mask and weights that reproduce the dense output: see `reconstruct`. */
export const eSparseReconstructPipeline = definePipeline({
  name: 'e-sparse-reconstruct',
  summary: 'E-Sparse, then least-squares weights of the survivors, and masks chosen anew by them',
  version: 3,
  options: eSparsePipeline.options.extend(reconstructOptions.shape),
  create: ({ damping, dense, steps, sweeps, values, group, spread, ...options }) => ({
    ...eSparsePipeline.create(options),
    stages: [reconstruct({ damping, dense, steps, sweeps }), ...quantized({ values, group, spread }, true)],
  }),
});
