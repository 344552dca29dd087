import { isEsparseError } from '@esparse/errors';
import { narrow, widen } from '@esparse/kernels';
import { productsId } from '@esparse/onnx';
import { defineStage } from '@esparse/sparsity';
import { z } from 'zod';
import { sparseGptBytes } from './device/device-bytes.ts';
import { solverId } from './device/solver.ts';
import { hessianOf } from './hessian-readers.ts';
import { hessianCost } from './hessian-cost.ts';
import { hessianMemory, openHessianResources } from './hessian-resources.ts';
import { sparseGptCost } from './sparse-gpt-cost.ts';

/** Options of `sparseGptStage`. */
export const sparseGptOptions = z.object({
  damping: z
    .number()
    .positive()
    .default(0.01)
    .describe("added to the Hessian's diagonal, in parts of its mean"),
});

/**
 * SparseGPT (arXiv 2301.00774) in the order that the shuffle found: mask and weights of its own, see `sparseGpt`. Where the
 * Hessian has no inverse, mask and weights stay as they are, with a warning.
 */
export const sparseGptStage = defineStage({
  name: 'sparsegpt',
  options: sparseGptOptions,
  open: openHessianResources,
  statistics: (_options, resources) => ({ hessian: hessianOf(resources) }),
  async run(
    { rows, cols, dtype, weights, statistics: { hessian }, permutation, pattern },
    { options: { damping }, held, signal, device, note, progress },
  ) {
    const problem = {
      rows,
      cols,
      weights: await widen(dtype, weights),
      hessian,
      permutation,
      pattern,
    };
    try {
      const solver = await held.solver(device);
      const solved = await solver.sparseGpt(problem, { damping, signal, progress });
      return { weights: narrow(dtype, solved.weights), mask: solved.mask };
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'numeric') throw error;
      note(`${error.message}: the mask of the scores stays, and so do the weights`);
      return {};
    }
  },
  numerics: (device) => (device === undefined ? productsId() : Promise.resolve(solverId(device))),
  release: (resources) => resources.release(),
  cost: sparseGptCost,
  deviceBytes: sparseGptBytes,
  heldCost: (block) => hessianCost({ ...block, memory: hessianMemory() }),
});
