import { definePipeline, riaOptions, shuffleOption } from '@esparse/sparsity';
import { survivorOptions } from './quantized.ts';
import { riaPipeline } from './ria.ts';

/** RIA in the order that linear sum assignments find. */
export const riaLsaPipeline = definePipeline({
  ...riaPipeline,
  name: 'ria-lsa',
  summary: 'RIA, channels permuted by linear sum assignment',
  options: riaOptions.extend(survivorOptions.shape).extend({ shuffle: shuffleOption('lsa') }),
});
