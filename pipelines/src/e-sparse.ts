import { eSparse } from '@esparse/sparsity';
import type { Pipeline } from './pipeline.ts';

/** E-Sparse (arXiv 2310.15929): magnitude times the entropy plus amplitude of the channel, both shuffles. */
export const eSparsePipeline: Pipeline = {
  name: 'e-sparse',
  summary: 'E-Sparse: |W| (entropy + alpha amplitude), global and local shuffle (arXiv 2310.15929)',
  version: 1,
  shuffle: 'both',
  metric: eSparse,
  describe: ({ alpha }) => ({ alpha }),
};
