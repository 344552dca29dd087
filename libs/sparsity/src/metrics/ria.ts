import { EsparseError } from '@esparse/errors';
import { widen } from '@esparse/kernels';
import { channelAmplitude, type StatisticReader } from '@esparse/statistics';
import type { Metric } from '../metric.ts';
import { statisticOf } from './statistic-of.ts';

/** Options of `ria`. */
export interface RiaOptions {
  /**
   * The power of the amplitude: 0 leaves it out.
   *
   * @default 0.5, the paper's
   */
  readonly power?: number;
}

/** The statistics of `ria`. */
export type RiaNeeds = Readonly<Record<'amplitude', StatisticReader<Float32Array>>>;

/**
 * RIA (arXiv 2402.17946): (|W_ij| / Σ_k |W_ik| + |W_ij| / Σ_k |W_kj|) * AM_j^power, the weight's share of its row and of
 * its column, times the amplitude of channel j.
 *
 * @throws EsparseError 'usage' for a power that is negative or not finite
 */
export function ria({ power = 0.5 }: RiaOptions = {}): Metric<RiaNeeds> {
  if (!(power >= 0 && power < Infinity)) {
    throw new EsparseError('usage', `ria: power is ${power}, expected a finite number from 0`);
  }
  return {
    name: 'ria',
    statistics: { amplitude: channelAmplitude },
    async score(input) {
      const { rows, cols, dtype } = input;
      const amplitude = statisticOf('ria', input, 'amplitude');
      const scores = (await widen(dtype, input.weights)).map(Math.abs);
      const rowSums = new Float64Array(rows);
      const colSums = new Float64Array(cols);
      for (let i = 0, at = 0; i < rows; i++) {
        for (let j = 0; j < cols; j++, at++) {
          rowSums[i] = rowSums[i]! + scores[at]!;
          colSums[j] = colSums[j]! + scores[at]!;
        }
      }
      const importance = Float64Array.from(amplitude, (value) => value ** power);
      for (let i = 0, at = 0; i < rows; i++) {
        for (let j = 0; j < cols; j++, at++) {
          const weight = scores[at]!;
          // A row or column of zeros shares nothing.
          if (weight > 0) scores[at] = (weight / rowSums[i]! + weight / colSums[j]!) * importance[j]!;
          if (!Number.isFinite(scores[at])) {
            throw new EsparseError('numeric', `ria: the score of row ${i}, channel ${j} is ${scores[at]!}`);
          }
        }
      }
      return scores;
    },
  };
}
