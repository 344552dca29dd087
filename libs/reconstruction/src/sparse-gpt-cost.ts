import type { LinearShape } from '@esparse/sparsity';
import type { Cost } from '@esparse/statistics';

/** f32 matrices of the size of the Hessian: as it was gathered, in the order of the permutation, and its factor. */
const HESSIANS = 3;
/** f32 matrices of the size of the linear: weights before, while and after, errors, and two of products not yet collected. */
const LINEAR_MATRICES = 6;
/** Seconds for each weight and each entry of the Hessian that are not products: 20 to 55 ns were seen. */
const ENTRY_SECONDS = 30e-9;

/** What SparseGPT takes for one linear: a factor of 2 cols³ operations, then the compensation of each panel of channels. */
export function sparseGptCost({ rows, cols }: LinearShape): Cost {
  return {
    bytes: 4 * cols * (HESSIANS * cols + LINEAR_MATRICES * rows),
    flops: (2 * cols + rows) * cols ** 2,
    seconds: ENTRY_SECONDS * cols * (rows + cols),
  };
}
