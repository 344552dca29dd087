import { channelAmplitude } from '@esparse/statistics';
import { defineMetric } from '../metric.ts';
import { statisticOf } from './statistic-of.ts';

/** Wanda (arXiv 2306.11695): |W_ij| * AM_j, the amplitude of channel j. */
export const wanda = defineMetric({
  name: 'wanda',
  statistics: { amplitude: channelAmplitude },
  importance: (input) => statisticOf('wanda', input, 'amplitude'),
});
