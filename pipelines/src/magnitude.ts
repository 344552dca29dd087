import { definePipeline, magnitude, SHUFFLES, shuffleOption } from '@esparse/sparsity';
import { quantized, survivorOptions } from './quantized.ts';

/** The largest weights of each group, in the original order: the baseline that every paper compares with. */
export const magnitudePipeline = definePipeline({
  name: 'magnitude',
  summary: 'Magnitude: |W|, no shuffle',
  options: survivorOptions.extend({ shuffle: shuffleOption('none') }),
  create: ({ shuffle, ...survivors }) => ({
    metric: magnitude(),
    shuffle: SHUFFLES[shuffle](),
    stages: quantized(survivors),
  }),
});
