import { channelAmplitude, channelEntropy } from '@esparse/statistics';
import { z } from 'zod';
import { defineMetric } from '../metric.ts';
import { statisticOf } from './statistic-of.ts';

/** Bins of an entropy histogram at most: the statistic keeps 2048 positions a channel. */
const MAX_BINS = 1000;

/** Options of `eSparse`. */
export const eSparseOptions = z.object({
  alpha: z
    .number()
    .min(0)
    .default(1)
    .describe('weight of the amplitude against the entropy: larger is closer to Wanda'),
  bins: z.int().min(2).max(MAX_BINS).default(100).describe("bins of the entropy's histogram"),
  range: z
    .enum(['channel', 'tap'])
    .default('channel')
    .describe("what the bins span: each channel's own range, or the tap's"),
});

/**
 * E-Sparse (arXiv 2310.15929): |W_ij| * (IE_j + alpha * AM_j), the information entropy and the amplitude of
 * channel j. The channel's factor is computed in f64 and rounded to f32 once.
 */
export const eSparse = defineMetric({
  name: 'e-sparse',
  options: eSparseOptions,
  statistics: ({ bins, range }) => ({
    entropy: channelEntropy({ bins, range }),
    amplitude: channelAmplitude,
  }),
  importance(input, { options: { alpha } }) {
    const entropy = statisticOf('e-sparse', input, 'entropy');
    const amplitude = statisticOf('e-sparse', input, 'amplitude');
    return entropy.map((value, j) => value + alpha * amplitude[j]!);
  },
});
