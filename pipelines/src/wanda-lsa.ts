import { definePipeline, shuffleOption } from '@esparse/sparsity';
import { survivorOptions } from './quantized.ts';
import { wandaPipeline } from './wanda.ts';

/** Wanda in the order that linear sum assignments find (RIA). */
export const wandaLsaPipeline = definePipeline({
  ...wandaPipeline,
  name: 'wanda-lsa',
  summary: 'Wanda, channels permuted by linear sum assignment',
  paper: 'arXiv 2402.17946',
  options: survivorOptions.extend({ shuffle: shuffleOption('lsa') }),
});
