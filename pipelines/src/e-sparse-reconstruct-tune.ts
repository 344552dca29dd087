import { reconstructOptions } from '@esparse/reconstruction';
import { definePipeline } from '@esparse/sparsity';
import { tune, tuneOptions } from '@esparse/tuning';
import { eSparseReconstructPipeline } from './e-sparse-reconstruct.ts';

/** The reconstruction's share of the dense model is `dense`, as that of tuning; its steps are `solverSteps`. */
const { steps: solverSteps, ...others } = reconstructOptions.shape;

/** E-Sparse with reconstructed weights, then each block tuned on its own output. */
export const eSparseReconstructTunePipeline = definePipeline({
  name: 'e-sparse-reconstruct-tune',
  summary: 'E-Sparse with reconstructed weights, then each block tuned on its own output',
  options: eSparseReconstructPipeline.options.extend({ ...others, solverSteps, ...tuneOptions.shape }),
  create: ({ steps, learningRate, batch, dense, heldOut, samples, solverSteps: solving, ...options }) => ({
    ...eSparseReconstructPipeline.create({ ...options, dense, steps: solving }),
    // Without steps it is the reconstruction alone, to the byte.
    ...(steps > 0 && { blockStages: [tune({ steps, learningRate, batch, dense, heldOut, samples })] }),
  }),
});
