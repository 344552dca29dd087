import { isEsparseError } from '@esparse/errors';
import { productsId } from '@esparse/onnx';
import { defineStage } from '@esparse/sparsity';
import { z } from 'zod';
import { survivorsBytes } from './device/device-bytes.ts';
import { solverId } from './device/solver.ts';
import { driftOf, hessianOf } from './hessian-readers.ts';
import { hessianCost } from './hessian-cost.ts';
import { hessianMemory, openHessianResources } from './hessian-resources.ts';
import { reconstructCost } from './reconstruct-cost.ts';

/** Steps of the solver that may be asked for: conjugate gradients that need more do not converge. */
const MAX_STEPS = 10_000;
/** Sweeps that may be asked for: after ten the masks hardly change. */
const MAX_SWEEPS = 1000;

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
    const { hessian, drift } = input.statistics;
    const trace = hessian.diagonal.reduce((sum, value) => sum + value, 0);
    const problem = { ...input, hessian, drift, dense, damping: (damping * trace) / input.cols };
    const solver = await held.solver(device);
    try {
      return await solver.reconstruct(problem, { steps, sweeps, signal, progress });
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
