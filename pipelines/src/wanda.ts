import { definePipeline, SHUFFLES, shuffleOption, wanda } from '@esparse/sparsity';
import { z } from 'zod';

/** Wanda: magnitude times the amplitude of the channel, in the original order. */
export const wandaPipeline = definePipeline({
  name: 'wanda',
  summary: 'Wanda: |W| amplitude, no shuffle',
  paper: 'arXiv 2306.11695',
  options: z.object({ shuffle: shuffleOption('none') }),
  create: ({ shuffle }) => ({ metric: wanda(), shuffle: SHUFFLES[shuffle]() }),
});
