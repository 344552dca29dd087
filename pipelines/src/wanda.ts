import { definePipeline, SHUFFLES, shuffleOption, wanda } from '@esparse/sparsity';
import { quantized, survivorOptions } from './quantized.ts';

/** Wanda: magnitude times the amplitude of the channel, in the original order. */
export const wandaPipeline = definePipeline({
  name: 'wanda',
  summary: 'Wanda: |W| amplitude, no shuffle',
  paper: 'arXiv 2306.11695',
  options: survivorOptions.extend({ shuffle: shuffleOption('none') }),
  create: ({ shuffle, ...survivors }) => ({
    metric: wanda(),
    shuffle: SHUFFLES[shuffle](),
    stages: quantized(survivors),
  }),
});
