import type { Pipeline } from './pipeline.ts';
import { riaPipeline } from './ria.ts';

/** RIA in the order that linear sum assignments find (RIA, arXiv 2402.17946). */
export const riaLsaPipeline: Pipeline = {
  ...riaPipeline,
  name: 'ria-lsa',
  summary: 'RIA, channels permuted by linear sum assignment (arXiv 2402.17946)',
  shuffle: 'lsa',
};
