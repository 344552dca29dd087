import { definePipeline, eSparse, eSparseOptions, SHUFFLES, shuffleOption } from '@esparse/sparsity';
import { quantized, survivorOptions } from './quantized.ts';

/** E-Sparse: magnitude times the entropy plus amplitude of the channel, both shuffles. */
export const eSparsePipeline = definePipeline({
  name: 'e-sparse',
  summary: 'E-Sparse: |W| (entropy + alpha amplitude), global and local shuffle',
  paper: 'arXiv 2310.15929',
  options: eSparseOptions.extend(survivorOptions.shape).extend({ shuffle: shuffleOption('both') }),
  create: ({ shuffle, values, group, spread, ...options }) => ({
    metric: eSparse(options),
    shuffle: SHUFFLES[shuffle](),
    stages: quantized({ values, group, spread }),
  }),
});
