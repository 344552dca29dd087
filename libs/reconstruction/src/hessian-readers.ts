import { readerOf, type StatisticReader } from '@esparse/statistics';
import { driftStatistic } from './drift.ts';
import { gramStatistic } from './gram.ts';
import type { ProductResources } from './hessian-resources.ts';
import type { Hessian, TapMatrix } from './tap-matrix.ts';

/** The Hessian of a tap, which is released with its block. */
export function hessianOf(resources: ProductResources): StatisticReader<Hessian> {
  const gram = gramStatistic(resources);
  return readerOf(gram, gram.finish, (hessian) => {
    hessian.release();
  });
}

/** How a tap has drifted from the dense model's, released with its block; undefined where it has not. */
export function driftOf(resources: ProductResources): StatisticReader<TapMatrix | undefined> {
  const drift = driftStatistic(resources);
  return readerOf(drift, drift.finishDrift, (matrix) => {
    matrix?.release();
  });
}
