import { isEsparseError } from '@esparse/errors';
import { narrow, widen } from '@esparse/kernels';
import { productsId } from '@esparse/model';
import { defineStage, maskLinear, type StageInput } from '@esparse/sparsity';
import { z } from 'zod';
import { refineMask } from './refine-mask.ts';
import { solveSurvivors } from './survivors.ts';
import { hessianOf, openWorkshop } from './workshop.ts';

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
  open: openWorkshop,
  statistics: (_options, workshop) => ({ hessian: hessianOf(workshop) }),
  async run(input, { options: { damping, steps, sweeps }, held, signal, note, progress }) {
    const { rows, cols, dtype, statistics } = input;
    const { hessian } = statistics;
    const trace = hessian.diagonal.reduce((sum, value) => sum + value, 0);
    const problem = {
      rows,
      cols,
      weights: await widen(dtype, input.weights),
      hessian,
      damping: (damping * trace) / cols,
    };
    try {
      const products = await held.products();
      const solve = (mask: Uint8Array, start: Float32Array) =>
        solveSurvivors({ ...problem, kept: keptOf(input, mask) }, { start, steps, signal });
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
  release: (workshop) => workshop.release(),
});

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
