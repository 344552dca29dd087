import { EsparseError } from '@esparse/errors';
import { widen } from '@esparse/kernels';
import { channelAmplitude } from '@esparse/statistics';
import { z } from 'zod';
import { defineMetric } from '../metric.ts';
import { statisticOf } from './statistic-of.ts';

/** Options of `ria`. */
export const riaOptions = z.object({
  power: z.number().min(0).default(0.5).describe('power of the amplitude: 0 leaves it out'),
});

/**
 * RIA (arXiv 2402.17946): (|W_ij| / Σ_k |W_ik| + |W_ij| / Σ_k |W_kj|) * AM_j^power, the weight's share of its row and of
 * its column, times the amplitude of channel j.
 */
export const ria = defineMetric({
  name: 'ria',
  options: riaOptions,
  statistics: { amplitude: channelAmplitude },
  async score(input, { options: { power } }) {
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
});
