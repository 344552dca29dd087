import { defineMetric } from '../metric.ts';

/** |W_ij|: the baseline that needs no calibration. */
export const magnitude = defineMetric({
  name: 'magnitude',
  statistics: {},
  importance: ({ cols }) => new Float32Array(cols).fill(1),
});
