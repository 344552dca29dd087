import { definePipeline } from '@esparse/sparsity';
import { tune, tuneOptions } from '@esparse/tuning';
import { eSparsePipeline } from './e-sparse.ts';

/** E-Sparse's order and mask, then each block tuned on its own output: see `tune`. */
export const eSparseTunePipeline = definePipeline({
  name: 'e-sparse-tune',
  summary: 'E-Sparse, then survivors, norms and biases of each block tuned on its own output',
  options: eSparsePipeline.options.extend(tuneOptions.shape),
  create: ({ steps, learningRate, batch, dense, heldOut, samples, ...options }) => ({
    ...eSparsePipeline.create(options),
    // Without steps it is E-Sparse, to the byte.
    ...(steps > 0 && { blockStages: [tune({ steps, learningRate, batch, dense, heldOut, samples })] }),
  }),
});
