import { definePipeline, ria, riaOptions, SHUFFLES, shuffleOption } from '@esparse/sparsity';
import { quantized, survivorOptions } from './quantized.ts';

/** RIA: shares of row and column times the root of the amplitude, in the original order. */
export const riaPipeline = definePipeline({
  name: 'ria',
  summary: 'RIA: shares of row and column, root of the amplitude, no shuffle',
  paper: 'arXiv 2402.17946',
  options: riaOptions.extend(survivorOptions.shape).extend({ shuffle: shuffleOption('none') }),
  create: ({ shuffle, values, group, spread, ...options }) => ({
    metric: ria(options),
    shuffle: SHUFFLES[shuffle](),
    stages: quantized({ values, group, spread }),
  }),
});
