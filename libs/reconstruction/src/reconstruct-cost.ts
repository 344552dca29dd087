import type { LinearShape } from '@esparse/sparsity';
import type { Cost } from '@esparse/statistics';
import { ROWS_AT_ONCE } from './survivors.ts';

/** f32 matrices of the rows that are solved for together. */
const SOLVER_MATRICES = 10;
/** f32 matrices of the size of the linear beside those. */
const LINEAR_MATRICES = 4;

/** What `reconstruct` takes for one linear if the solver takes every step that it may, which is more than it mostly takes. */
export function reconstructCost(
  { rows, cols }: LinearShape,
  { dense, steps, sweeps }: { readonly dense: number; readonly steps: number; readonly sweeps: number },
): Cost {
  const solve = steps + 1;
  // Where masks are chosen anew, there is a second solution.
  const products = sweeps > 0 ? 2 * solve + sweeps : solve;
  // What the dense model's inputs add to the right-hand side takes one product more, and a matrix.
  const shift = dense > 0 ? 1 : 0;
  return {
    bytes: 4 * cols * (SOLVER_MATRICES * Math.min(rows, ROWS_AT_ONCE) + (LINEAR_MATRICES + shift) * rows),
    flops: (products + shift) * 2 * rows * cols ** 2,
  };
}
