import { sparseGptOptions, sparseGptStage } from '@esparse/reconstruction';
import { definePipeline } from '@esparse/sparsity';
import { quantized } from './quantized.ts';
import { wandaPipeline } from './wanda.ts';

/**
 * SparseGPT, in the original order: mask and weights by the inverse Hessian of the inputs. Wanda's scores are what a shuffle
 * goes by where one is asked for, and what decides where the Hessian has no inverse.
 */
export const sparseGptPipeline = definePipeline({
  name: 'sparsegpt',
  summary: 'SparseGPT: mask and weights by the inverse Hessian of the inputs, no shuffle',
  paper: 'arXiv 2301.00774',
  options: wandaPipeline.options.extend(sparseGptOptions.shape),
  create: ({ damping, values, group, spread, ...options }) => ({
    ...wandaPipeline.create(options),
    stages: [sparseGptStage({ damping }), ...quantized({ values, group, spread }, true)],
  }),
});
