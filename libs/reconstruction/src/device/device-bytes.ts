import type { LinearShape } from '@esparse/sparsity';
import { FACTOR_WIDTH } from '../inverse-factor.ts';
import { PANEL } from '../panels.ts';
import { ROWS_AT_ONCE } from '../survivors.ts';

/** Bytes of a weight of the rows that are solved for together: six f32, two f16, its bits before and after, and whether it survives. */
const SOLVER_BYTES = 6 * 4 + 2 * 2 + 2 * 2 + 1;
/** f32 matrices of a linear, and a byte for each weight: see `sparseGptOnDevice`. */
const SWEEP_BYTES = 3 * 4 + 1;
/** f32 matrices of the size of the Hessian: as it was gathered, its factor, and the inverse of that. */
const HESSIANS = 3;

/** Memory of a device that solving for the survivors of a linear, and choosing its mask, take. */
export function survivorsBytes({ rows, cols }: LinearShape): number {
  const panel = 4 * cols * Math.min(PANEL, cols);
  // Hessian and drift in f32, and the Hessian as halves.
  return 12 * cols ** 2 + Math.max(panel, SOLVER_BYTES * cols * Math.min(rows, ROWS_AT_ONCE));
}

/** Memory of a device that SparseGPT takes for a linear. */
export function sparseGptBytes({ rows, cols }: LinearShape): number {
  return cols * (4 * HESSIANS * cols + 3 * 4 * FACTOR_WIDTH + SWEEP_BYTES * rows);
}
