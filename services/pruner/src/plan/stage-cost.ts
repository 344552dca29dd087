import type { LinearSpec } from '@esparse/model';
import type { JsonObject } from '@esparse/sparsity';

/** What a stage takes of one linear, beyond the Hessians of the block. */
export interface StageCost {
  /** Bytes at most. */
  bytes(linear: LinearSpec): number;
  /** Floating-point operations of products by ONNX Runtime. */
  flops(linear: LinearSpec): number;
  /** Seconds of everything else. */
  seconds(linear: LinearSpec): number;
}

/** The stages whose cost is known, by name. */
export const STAGE_COSTS: ReadonlyMap<string, (options: JsonObject) => StageCost> = new Map([
  ['reconstruct', reconstructCost],
  ['sparsegpt', sparseGptCost],
]);

/** Rows that are solved for together, and matrices that this takes. */
const SOLVED_ROWS = 1024;
const SOLVER_MATRICES = 10;
/** f32 matrices of the size of the linear that `reconstruct` holds beside. */
const RECONSTRUCT_MATRICES = 4;

/** Every step that the solver may take, which is more than it mostly takes. */
function reconstructCost({ dense, steps, sweeps }: JsonObject): StageCost {
  const solve = (typeof steps === 'number' ? steps : 0) + 1;
  // Where masks are chosen anew, there is a second solution.
  const solving = typeof sweeps === 'number' && sweeps > 0 ? 2 * solve + sweeps : solve;
  // What the dense model's inputs add to the right-hand side: one product more, and a matrix.
  const shift = typeof dense === 'number' && dense > 0 ? 1 : 0;
  return {
    bytes: ({ rows, cols }) =>
      4 * cols * (SOLVER_MATRICES * Math.min(rows, SOLVED_ROWS) + (RECONSTRUCT_MATRICES + shift) * rows),
    flops: ({ rows, cols }) => (solving + shift) * 2 * rows * cols ** 2,
    seconds: () => 0,
  };
}

/** f32 matrices of the size of the Hessian: as it was gathered, in the order of the permutation, and its factor. */
const SPARSE_GPT_HESSIANS = 3;
/** f32 matrices of the size of the linear: weights before, while and after, errors, and what the products leave about. */
const SPARSE_GPT_MATRICES = 6;
/** Seconds for each weight and each entry of the Hessian that are not products: 20 to 55 ns were seen. */
const SPARSE_GPT_SECONDS = 30e-9;

/** A factor of 2 cols³ operations for each linear, then what the channels before leave each panel to make up for. */
function sparseGptCost(): StageCost {
  return {
    bytes: ({ rows, cols }) => 4 * cols * (SPARSE_GPT_HESSIANS * cols + SPARSE_GPT_MATRICES * rows),
    flops: ({ rows, cols }) => (2 * cols + rows) * cols ** 2,
    seconds: ({ rows, cols }) => SPARSE_GPT_SECONDS * cols * (rows + cols),
  };
}
