import { scoreByChannel } from '@esparse/kernels';
import { defineMetric } from '../metric.ts';

/** |W_ij|: the baseline that needs no calibration. */
export const magnitude = defineMetric({
  name: 'magnitude',
  statistics: {},
  score: ({ dtype, weights, rows, cols }) =>
    scoreByChannel(dtype, weights, rows, cols, new Float32Array(cols).fill(1)),
});
