import { scoreByChannel } from '@esparse/kernels';
import { channelAmplitude, type StatisticReader } from '@esparse/statistics';
import type { Metric } from '../metric.ts';
import { statisticOf } from './statistic-of.ts';

/** The statistics of `wanda`. */
export type WandaNeeds = Readonly<Record<'amplitude', StatisticReader<Float32Array>>>;

/** Wanda (arXiv 2306.11695): |W_ij| * AM_j, the amplitude of channel j. */
export function wanda(): Metric<WandaNeeds> {
  return {
    name: 'wanda',
    statistics: { amplitude: channelAmplitude },
    async score(input) {
      const amplitude = statisticOf('wanda', input, 'amplitude');
      return scoreByChannel(input.dtype, input.weights, input.rows, input.cols, amplitude);
    },
  };
}
