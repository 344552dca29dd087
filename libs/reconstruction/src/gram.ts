import { productStatistic, type ProductStatistic } from './product-sums.ts';
import type { ProductResources } from './hessian-resources.ts';

/** Σ xᵀ x over the rows x of a tap: the Hessian of a linear's squared error (SparseGPT, arXiv 2301.00774). */
export function gramStatistic(resources: ProductResources): ProductStatistic {
  return productStatistic(
    { name: 'gram', version: 2, shape: 'lower', pairOf: ({ data }) => ({ left: data, right: data }) },
    resources,
  );
}
