import { wanda } from '@esparse/sparsity';
import type { Pipeline } from './pipeline.ts';

/** Wanda (arXiv 2306.11695): magnitude times the amplitude of the channel, in the original order. */
export const wandaPipeline: Pipeline = {
  name: 'wanda',
  summary: 'Wanda: |W| amplitude, no shuffle (arXiv 2306.11695)',
  version: 1,
  shuffle: 'none',
  metric: () => wanda(),
  describe: () => ({}),
};
