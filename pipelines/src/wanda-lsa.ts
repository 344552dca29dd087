import type { Pipeline } from './pipeline.ts';
import { wandaPipeline } from './wanda.ts';

/** Wanda in the order that linear sum assignments find (RIA, arXiv 2402.17946). */
export const wandaLsaPipeline: Pipeline = {
  ...wandaPipeline,
  name: 'wanda-lsa',
  summary: 'Wanda, channels permuted by linear sum assignment (arXiv 2402.17946)',
  shuffle: 'lsa',
};
