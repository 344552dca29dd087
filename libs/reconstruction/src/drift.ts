import type { StatisticTile } from '@esparse/statistics';
import { productStatistic, type ProductState, type ProductStatistic } from './product-sums.ts';
import type { TapMatrix } from './tap-matrix.ts';
import type { ProductResources } from './hessian-resources.ts';

/** How far a tap has drifted from the dense model's, as a statistic. */
export type DriftStatistic = ProductStatistic & {
  /** The matrix; nothing where both models have the same inputs, as in the first block. */
  finishDrift(state: ProductState): Promise<TapMatrix | undefined>;
};

/**
 * Σ (x_dense - x)ᵀ x over the rows x of a tap and x_dense of the same tap in the dense model. A row of weights w times it is
 * what the dense model's inputs add to the right-hand side w H of the least-squares solution on the inputs x.
 */
export function driftStatistic(resources: ProductResources): DriftStatistic {
  const statistic = productStatistic(
    { name: 'drift', version: 1, needsDense: true, shape: 'square', pairOf: driftOfTile },
    resources,
  );
  return {
    ...statistic,
    finishDrift: async (state) => {
      const nothing = state.matrix === undefined && state.sums === undefined && state.waiting.length === 0;
      return nothing ? undefined : statistic.finish(state);
    },
  };
}

function driftOfTile({ data, dense }: StatisticTile) {
  return dense && { left: dense, minus: data, right: data };
}
