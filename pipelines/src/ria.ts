import { ria } from '@esparse/sparsity';
import type { Pipeline } from './pipeline.ts';

/** RIA (arXiv 2402.17946): shares of row and column times the root of the amplitude, in the original order. */
export const riaPipeline: Pipeline = {
  name: 'ria',
  summary: 'RIA: shares of row and column, root of the amplitude, no shuffle (arXiv 2402.17946)',
  version: 1,
  shuffle: 'none',
  metric: () => ria(),
  describe: () => ({}),
};
