import { reconstructOptions } from '@esparse/reconstruction';
import { definePipeline } from '@esparse/sparsity';
import { tune, tuneOptions } from '@esparse/tuning';
import { eSparseReconstructPipeline } from './e-sparse-reconstruct.ts';
import { survivorOptions, tunedIntegers } from './quantized.ts';

/** The reconstruction's share of the dense model is `dense`, as that of tuning; its steps are `solverSteps`. */
const { steps: solverSteps, ...others } = reconstructOptions.shape;

/** E-Sparse with reconstructed weights, then each block tuned on its own output. */
export const eSparseReconstructTunePipeline = definePipeline({
  name: 'e-sparse-reconstruct-tune',
  summary: 'E-Sparse with reconstructed weights, then each block tuned on its own output',
  options: eSparseReconstructPipeline.options
    .extend({ ...others, solverSteps, ...tuneOptions.shape })
    .extend(survivorOptions.shape),
  create: ({ learningRate, batch, heldOut, loss, samples, values, group, spread, ...given }) => {
    const { steps, dense, solverSteps: solving, ...options } = given;
    const integers = { values, group, spread };
    const reconstruction = { ...options, dense, steps: solving };
    // Without steps it is the reconstruction alone, to the byte.
    if (steps === 0) return eSparseReconstructPipeline.create({ ...reconstruction, ...integers });
    const tuned = { steps, learningRate, batch, dense, heldOut, loss, samples, ...tunedIntegers(integers) };
    return { ...eSparseReconstructPipeline.create(reconstruction), blockStages: [tune(tuned)] };
  },
});
