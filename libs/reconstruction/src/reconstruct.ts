import { isEsparseError } from '@esparse/errors';
import { narrow, widen } from '@esparse/kernels';
import { createMatrixProducts, productsId, type MatrixProducts } from '@esparse/model';
import { defineStage, type StageInput } from '@esparse/sparsity';
import { readerOf } from '@esparse/statistics';
import { z } from 'zod';
import { gramOf, gramStatistic } from './gram.ts';
import { solveSurvivors } from './survivors.ts';

/** Steps of the solver that may be asked for: conjugate gradients that need more do not converge. */
const MAX_STEPS = 10_000;

/** Options of `reconstruct`. */
export const reconstructOptions = z.object({
  damping: z
    .number()
    .positive()
    .default(0.01)
    .describe("added to the Hessian's diagonal, in parts of its mean"),
  steps: z.int().min(1).max(MAX_STEPS).default(64).describe('steps of the solver at most'),
});

/**
 * Gives the survivors of a mask the weights that best give back the dense linear's output on the calibration inputs: see
 * `solveSurvivors`. Where that cannot be solved the weights stay, with a warning.
 */
export const reconstruct = defineStage({
  name: 'reconstruct',
  options: reconstructOptions,
  open: lazyProducts,
  statistics: (_options, { get }) => ({ hessian: readerOf(gramStatistic(get), gramOf) }),
  async run(input, { options: { damping, steps }, held, signal, note }) {
    const { rows, cols, dtype, statistics } = input;
    const { hessian } = statistics;
    let trace = 0;
    for (let j = 0; j < cols; j++) trace += hessian[j * cols + j]!;
    const problem = {
      rows,
      cols,
      weights: await widen(dtype, input.weights),
      kept: keptOf(input),
      hessian,
      damping: (damping * trace) / cols,
    };
    try {
      const solved = await solveSurvivors(problem, await held.get(), { steps, signal });
      return { weights: narrow(dtype, solved) };
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'numeric') throw error;
      note(`${error.message}: the survivors keep their weights`);
      return {};
    }
  },
  numerics: productsId,
  release: (products) => products.release(),
});

/** Matrix products that are opened when they are wanted first, by the statistic and the stage together. */
function lazyProducts() {
  let opened: Promise<MatrixProducts> | undefined;
  return {
    get: () => (opened ??= createMatrixProducts()),
    async release() {
      await (await opened)?.release();
    },
  };
}

/** 1 where a weight survives, else 0: (rows, cols) in the original order. */
function keptOf({ rows, cols, permutation, mask }: StageInput): Float32Array {
  const kept = new Float32Array(rows * cols);
  const rowBytes = Math.ceil(cols / 8);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      kept[r * cols + permutation[i]!] = (mask[r * rowBytes + (i >> 3)]! >> (i & 7)) & 1;
    }
  }
  return kept;
}
