import { scoreByChannel } from '@esparse/kernels';
import type { Metric } from '../metric.ts';

/** |W_ij|: the baseline that needs no calibration. */
export function magnitude(): Metric {
  return {
    name: 'magnitude',
    statistics: {},
    score: (input) =>
      scoreByChannel(
        input.dtype,
        input.weights,
        input.rows,
        input.cols,
        new Float32Array(input.cols).fill(1),
      ),
  };
}
