import { definePipeline, magnitude, SHUFFLES, shuffleOption } from '@esparse/sparsity';
import { z } from 'zod';

/** The largest weights of each group, in the original order: the baseline that every paper compares with. */
export const magnitudePipeline = definePipeline({
  name: 'magnitude',
  summary: 'Magnitude: |W|, no shuffle',
  options: z.object({ shuffle: shuffleOption('none') }),
  create: ({ shuffle }) => ({ metric: magnitude(), shuffle: SHUFFLES[shuffle]() }),
});
