import { magnitude } from '@esparse/sparsity';
import type { Pipeline } from './pipeline.ts';

/** The largest weights of each group, in the original order: the baseline that every paper compares with. */
export const magnitudePipeline: Pipeline = {
  name: 'magnitude',
  summary: 'Magnitude: |W|, no shuffle',
  version: 1,
  shuffle: 'none',
  metric: () => magnitude(),
  describe: () => ({}),
};
