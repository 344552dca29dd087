import { EsparseError } from '@esparse/errors';
import type { AnyStatistic } from '@esparse/statistics';
import { driftStatistic } from './drift.ts';
import { gramStatistic } from './gram.ts';
import type { ProductResources } from './hessian-resources.ts';

/** What a worker has no use for: it folds on its device, and what it folded goes to the pruner in pieces. */
const NONE: ProductResources = {
  products: () => Promise.reject(elsewhere()),
  spill: {
    memory: 0,
    allocate: () => Promise.reject(elsewhere()),
    used: () => ({ memory: 0, file: 0 }),
    close: () => Promise.resolve(),
  },
  waiting: { bytes: 0 },
};

/** The statistics of this library that a worker folds where its activations are, if that is a device. */
export const foldedStatistics: readonly AnyStatistic[] = [gramStatistic(NONE), driftStatistic(NONE)].map(
  (statistic) => statistic as unknown as AnyStatistic,
);

function elsewhere(): EsparseError {
  return new EsparseError('internal', 'sums of products are made in the pruner, or on a device');
}
