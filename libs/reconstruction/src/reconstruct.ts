import { isEsparseError } from '@esparse/errors';
import { magnitudes, narrow, spreadMask, widen } from '@esparse/kernels';
import { productsId } from '@esparse/onnx';
import { defineStage, maskLinear } from '@esparse/sparsity';
import { z } from 'zod';
import { survivorsBytes } from './device/device-bytes.ts';
import { solverId } from './device/solver.ts';
import type { Solver } from './solver.ts';
import type { TapMatrix } from './tap-matrix.ts';
import { driftOf, hessianOf } from './hessian-readers.ts';
import { hessianCost } from './hessian-cost.ts';
import { hessianMemory, openHessianResources } from './hessian-resources.ts';
import { reconstructCost } from './reconstruct-cost.ts';

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
  dense: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("share of the dense model's own inputs in the target; 0 spares their forward pass"),
  steps: z.int().min(1).max(MAX_STEPS).default(64).describe('steps of the solver at most'),
  sweeps: z
    .int()
    .min(0)
    .max(MAX_SWEEPS)
    .default(3)
    .describe('times that the mask is chosen anew, group by group; 0 keeps the mask'),
});

/**
 * Gives the survivors of a mask the weights that best reproduce the dense linear's output on the calibration inputs
 * (`solveSurvivors`): of the inputs behind the pruned blocks, and of the dense model's own, so that a linear also mends what
 * the blocks before it did. Then it lets each group choose its survivors anew (`refineMask`), and solves for their weights again. Where
 * that cannot be solved the weights stay, with a warning.
 */
export const reconstruct = defineStage({
  name: 'reconstruct',
  // 3: damping toward the dense weights, masks chosen anew; the dense model's activations as a part of the target.
  version: 3,
  options: reconstructOptions,
  open: openHessianResources,
  statistics: ({ dense }, resources) => ({
    hessian: hessianOf(resources),
    ...(dense > 0 && { drift: driftOf(resources) }),
  }),
  async run(input, { options: { damping, dense, steps, sweeps }, held, signal, device, note, progress }) {
    const { rows, cols, dtype, statistics } = input;
    const { hessian, drift } = statistics;
    const trace = hessian.diagonal.reduce((sum, value) => sum + value, 0);
    const weights = await widen(dtype, input.weights);
    const solver = await held.solver(device);
    const shift = drift && (await shiftOf(solver, weights, rows, drift, dense));
    const problem = { rows, cols, weights, hessian, damping: (damping * trace) / cols, shift };
    try {
      const { pattern, permutation } = input;
      const solve = async (mask: Uint8Array, start: Float32Array) => {
        const kept = await spreadMask(mask, rows, cols, permutation);
        return solver.survivors({ ...problem, kept }, { start, steps, signal });
      };
      const solved = await solve(input.mask, problem.weights);
      progress(1, STEPS);
      const refined =
        sweeps > 0 && (await solver.refine({ ...problem, pattern, permutation }, solved, { sweeps, signal }));
      if (!refined) return { weights: narrow(dtype, solved) };
      progress(2, STEPS);
      const mask = await maskLinear({ scores: await magnitudes(solved), rows, cols }, permutation, pattern);
      const refitted = narrow(dtype, await solve(mask, solved));
      progress(3, STEPS);
      return { weights: refitted, mask };
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'numeric') throw error;
      note(`${error.message}: the survivors keep their weights`);
      return {};
    }
  },
  numerics: (device) => (device === undefined ? productsId() : Promise.resolve(solverId(device))),
  release: (resources) => resources.release(),
  cost: (linear, { options }) => reconstructCost(linear, options),
  deviceBytes: survivorsBytes,
  heldCost: (block, { options: { dense } }) =>
    hessianCost({ ...block, drift: dense > 0, memory: hessianMemory() }),
});

/** What a share of the dense model's inputs adds to the right-hand side: (rows, cols). */
async function shiftOf(
  solver: Solver,
  weights: Float32Array,
  rows: number,
  drift: TapMatrix,
  share: number,
): Promise<Float32Array> {
  const shift = new Float32Array(weights.length);
  await solver.multiply(drift, weights, rows, shift);
  for (let i = 0; i < shift.length; i++) shift[i] = share * shift[i]!;
  return shift;
}
