import { isEsparseError } from '@esparse/errors';
import { widen } from '@esparse/kernels';
import { productsId } from '@esparse/onnx';
import {
  defineStage,
  integerOptions,
  MAX_ROUNDING_LOSS,
  roundingLoss,
  roundingFor,
  roundLinear,
  type LinearShape,
} from '@esparse/sparsity';
import type { Cost } from '@esparse/statistics';
import { z } from 'zod';
import { hessianCost } from './hessian-cost.ts';
import { hessianOf } from './hessian-readers.ts';
import { hessianMemory, openHessianResources } from './hessian-resources.ts';
import { quantizeSweep } from './quantize-sweep.ts';
import { sparseGptCost } from './sparse-gpt-cost.ts';

/** Seconds for each weight: 100 ns are those of seven scales of two signs. */
const ROUNDING_SECONDS = 100e-9;

/** Options of `quantize`. */
export const quantizeOptions = integerOptions.extend({
  spread: z
    .boolean()
    .default(true)
    .describe('whether the error of a rounded weight is made up for by those that follow, by the Hessian'),
});

/**
 * Stores survivors as integers of 8 or 4 bits with a scale for some of them: see `QuantizedLayout`. With `spread` by
 * `quantizeSweep`, else each to the nearest. Weights that integers do not fit (rounding takes more than a twentieth of their
 * energy, as where one outlier makes all others zero) stay as they are, with a warning.
 */
export const quantize = defineStage({
  name: 'quantize',
  options: quantizeOptions,
  open: openHessianResources,
  statistics: ({ spread }, resources) => ({ ...(spread && { hessian: hessianOf(resources) }) }),
  async run(input, { options: asked, held, signal, note, progress }) {
    const { rows, cols, dtype, statistics } = input;
    const weights = await widen(dtype, input.weights);
    const options = roundingFor(asked);
    const rounded = roundLinear({ weights, rows, cols }, options, input);
    const loss = roundingLoss(rounded, { weights, rows, cols }, input);
    if (loss > MAX_ROUNDING_LOSS) {
      note(
        `rounding to ${asked.values} takes ${(100 * loss).toFixed(1)} % of the weights' energy: they stay ${dtype}`,
      );
      return {};
    }
    if (statistics.hessian === undefined) return { integers: rounded };
    try {
      const problem = { rows, cols, weights, hessian: await statistics.hessian.dense(), survivors: input };
      return {
        integers: await quantizeSweep(problem, await held.products(), { ...options, signal, progress }),
      };
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'numeric') throw error;
      note(`${error.message}: each weight is rounded by itself`);
      return { integers: rounded };
    }
  },
  rounding: roundingFor,
  numerics: productsId,
  release: (resources) => resources.release(),
  cost: (linear, { options: { spread } }) => (spread ? sparseGptCost(linear) : roundingCost(linear)),
  heldCost: (block, { options: { spread } }) =>
    spread ? hessianCost({ ...block, memory: hessianMemory() }) : {},
});

/** What rounding each weight by itself takes: some tries of a scale. */
function roundingCost({ rows, cols }: LinearShape): Cost {
  return { bytes: 6 * rows * cols, flops: 0, seconds: ROUNDING_SECONDS * rows * cols };
}
