import { isEsparseError } from '@esparse/errors';
import { narrow, widen } from '@esparse/kernels';
import { createMatrixProducts, productsId, type MatrixProducts } from '@esparse/model';
import { defineStage, maskLinear, type StageInput } from '@esparse/sparsity';
import { readerOf } from '@esparse/statistics';
import { z } from 'zod';
import { gramOf, gramStatistic } from './gram.ts';
import { refineMask } from './refine-mask.ts';
import { solveSurvivors } from './survivors.ts';

/** Steps of the solver that may be asked for: conjugate gradients that need more do not converge. */
const MAX_STEPS = 10_000;
/** Sweeps that may be asked for: after ten the masks hardly change. */
const MAX_SWEEPS = 1000;
/** Solve, choose, solve again. */
const STEPS = 3;

/** Options of `reconstruct`. */
export const reconstructOptions = z.object({
  damping: z
    .number()
    .positive()
    .default(0.01)
    .describe("added to the Hessian's diagonal, in parts of its mean"),
  steps: z.int().min(1).max(MAX_STEPS).default(64).describe('steps of the solver at most'),
  sweeps: z
    .int()
    .min(0)
    .max(MAX_SWEEPS)
    .default(3)
    .describe('times that the mask is chosen anew, group by group; 0 keeps the mask'),
});

/**
 * Gives the survivors of a mask the weights that best give back the dense linear's output on the calibration inputs
 * (`solveSurvivors`), lets each group choose its survivors anew (`refineMask`), and solves for their weights again. Where
 * that cannot be solved the weights stay, with a warning.
 */
export const reconstruct = defineStage({
  name: 'reconstruct',
  options: reconstructOptions,
  open: lazyProducts,
  statistics: (_options, { get }) => ({ hessian: readerOf(gramStatistic(get), gramOf) }),
  async run(input, { options: { damping, steps, sweeps }, held, signal, note, progress }) {
    const { rows, cols, dtype, statistics } = input;
    const { hessian } = statistics;
    let trace = 0;
    for (let j = 0; j < cols; j++) trace += hessian[j * cols + j]!;
    const problem = {
      rows,
      cols,
      weights: await widen(dtype, input.weights),
      hessian,
      damping: (damping * trace) / cols,
    };
    try {
      const products = await held.get();
      const solve = (mask: Uint8Array, start: Float32Array) =>
        solveSurvivors({ ...problem, kept: keptOf(input, mask) }, products, { start, steps, signal });
      const solved = await solve(input.mask, problem.weights);
      progress(1, STEPS);
      const { pattern, permutation } = input;
      const refined =
        sweeps > 0 &&
        (await refineMask({ ...problem, pattern, permutation }, solved, products, { sweeps, signal }));
      if (!refined) return { weights: narrow(dtype, solved) };
      progress(2, STEPS);
      const mask = await maskLinear({ scores: solved.map(Math.abs), rows, cols }, permutation, pattern);
      const weights = narrow(dtype, await solve(mask, solved));
      progress(3, STEPS);
      return { weights, mask };
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
function keptOf({ rows, cols, permutation }: StageInput, mask: Uint8Array): Float32Array {
  const kept = new Float32Array(rows * cols);
  const rowBytes = Math.ceil(cols / 8);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      kept[r * cols + permutation[i]!] = (mask[r * rowBytes + (i >> 3)]! >> (i & 7)) & 1;
    }
  }
  return kept;
}
