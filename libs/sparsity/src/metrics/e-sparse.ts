import { EsparseError } from '@esparse/errors';
import { scoreByChannel } from '@esparse/kernels';
import {
  channelAmplitude,
  channelEntropy,
  type EntropyReading,
  type StatisticReader,
} from '@esparse/statistics';
import type { Metric } from '../metric.ts';
import { statisticOf } from './statistic-of.ts';

/** Options of `eSparse`. */
export interface ESparseOptions extends EntropyReading {
  /**
   * The weight of the amplitude against the entropy: larger is closer to Wanda.
   *
   * @default 1
   */
  readonly alpha?: number;
}

/** The statistics of `eSparse`. */
export type ESparseNeeds = Readonly<Record<'entropy' | 'amplitude', StatisticReader<Float32Array>>>;

/**
 * E-Sparse (arXiv 2310.15929): |W_ij| * (IE_j + alpha * AM_j), the information entropy and the amplitude of
 * channel j. The channel's factor is computed in f64 and rounded to f32 once.
 *
 * @throws EsparseError 'usage' for an alpha that is negative or not finite
 */
export function eSparse({ alpha = 1, ...reading }: ESparseOptions = {}): Metric<ESparseNeeds> {
  if (!(alpha >= 0 && alpha < Infinity)) {
    throw new EsparseError('usage', `e-sparse: alpha is ${alpha}, expected a finite number from 0`, {
      hint: 'use the metric wanda for the limit of a large alpha',
    });
  }
  return {
    name: 'e-sparse',
    statistics: { entropy: channelEntropy(reading), amplitude: channelAmplitude },
    async score(input) {
      const entropy = statisticOf('e-sparse', input, 'entropy');
      const amplitude = statisticOf('e-sparse', input, 'amplitude');
      const importance = entropy.map((value, j) => value + alpha * amplitude[j]!);
      return scoreByChannel(input.dtype, input.weights, input.rows, input.cols, importance);
    },
  };
}
