import { scoreByChannel } from '@esparse/kernels';
import type { Metric } from '../metric.ts';
import { statisticOf } from './statistic-of.ts';

/** Wanda (arXiv 2306.11695): |W_ij| * AM_j, the amplitude of channel j. */
export function wanda(): Metric {
  return {
    name: 'wanda',
    statistics: ['amplitude'],
    async score(input) {
      const amplitude = statisticOf('wanda', input, 'amplitude');
      return scoreByChannel(input.dtype, input.weights, input.rows, input.cols, amplitude);
    },
  };
}
