import { definePipeline } from '@esparse/sparsity';
import { tune, tuneOptions } from '@esparse/tuning';
import { eSparsePipeline } from './e-sparse.ts';
import { tunedIntegers } from './quantized.ts';

/** E-Sparse's order and mask, then each block tuned on its own output: see `tune`. */
export const eSparseTunePipeline = definePipeline({
  name: 'e-sparse-tune',
  summary: 'E-Sparse, then survivors, norms and biases of each block tuned on its own output',
  options: eSparsePipeline.options.extend(tuneOptions.shape),
  create: ({
    steps,
    learningRate,
    batch,
    dense,
    heldOut,
    loss,
    samples,
    values,
    group,
    spread,
    ...options
  }) => {
    const integers = { values, group, spread };
    // Without steps it is E-Sparse, to the byte.
    if (steps === 0) return eSparsePipeline.create({ ...options, ...integers });
    const tuned = { steps, learningRate, batch, dense, heldOut, loss, samples, ...tunedIntegers(integers) };
    return { ...eSparsePipeline.create(options), blockStages: [tune(tuned)] };
  },
});
