import { isEsparseError } from '@esparse/errors';
import { widen } from '@esparse/kernels';
import { productsId } from '@esparse/onnx';
import {
  defineStage,
  integerOptions,
  roundingFault,
  roundingFor,
  roundLinear,
  type LinearShape,
} from '@esparse/sparsity';
import type { Cost } from '@esparse/statistics';
import { z } from 'zod';
import { hessianCost } from './hessian-cost.ts';
import { hessianOf } from './hessian-readers.ts';
import { hessianMemory, openHessianResources } from './hessian-resources.ts';
import { integerDescent, SWEEPS } from './integer-descent.ts';

/** Seconds for each weight: 100 ns are those of seven scales of two signs. */
const ROUNDING_SECONDS = 100e-9;

/** Seconds for each weight and sweep: those whose integers change touch the 128 channels of a block. */
const STEP_SECONDS = 30e-9;

/** Options of `quantize`. */
export const quantizeOptions = integerOptions.extend({
  spread: z
    .boolean()
    .default(true)
    .describe(
      'whether what rounding takes from a weight is made up for by the others of its row, by the Hessian',
    ),
});

/**
 * Stores survivors as integers of 8 or 4 bits with a scale for some of them: see `QuantizedLayout`. With `spread` by
 * `integerDescent`, else each to the nearest. Weights that integers do not fit (rounding takes more than a twentieth of their
 * energy, or makes most of them zero, as beside outliers) stay as they are, with a warning.
 */
export const quantize = defineStage({
  name: 'quantize',
  // 2: integers descend on the output's error, where errors were passed on to the channels that follow, pruned ones among them.
  // 3: weights of which most would become zero stay as they are.
  version: 3,
  options: quantizeOptions,
  open: openHessianResources,
  statistics: ({ spread }, resources) => ({ ...(spread && { hessian: hessianOf(resources) }) }),
  async run(input, { options: asked, held, signal, note, progress }) {
    const { rows, cols, dtype, statistics } = input;
    const weights = await widen(dtype, input.weights);
    const options = roundingFor(asked);
    const rounded = roundLinear({ weights, rows, cols }, options, input);
    const fault = roundingFault(rounded, { weights, rows, cols }, input);
    if (fault !== undefined) {
      note(`rounding to ${asked.values} ${fault}: it stays ${dtype}`);
      return {};
    }
    if (statistics.hessian === undefined) return { integers: rounded };
    try {
      const problem = { rows, cols, weights, hessian: statistics.hessian, survivors: input };
      await integerDescent(problem, rounded, await held.products(), { signal, progress });
      return { integers: rounded };
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'numeric') throw error;
      note(`${error.message}: each weight is rounded by itself`);
      return { integers: rounded };
    }
  },
  rounding: roundingFor,
  numerics: productsId,
  release: (resources) => resources.release(),
  cost: (linear, { options: { spread } }) => quantizeCost(linear, spread),
  heldCost: (block, { options: { spread } }) =>
    spread ? hessianCost({ ...block, memory: hessianMemory() }) : {},
});

/** What rounding takes, some tries of a scale, and the descent: a product with the Hessian at first, and one a sweep. */
function quantizeCost({ rows, cols }: LinearShape, spread: boolean): Cost {
  const products = spread ? 1 + SWEEPS : 0;
  return {
    bytes: (spread ? 18 : 6) * rows * cols,
    flops: products * 2 * rows * cols ** 2,
    seconds: (ROUNDING_SECONDS + (spread ? SWEEPS * STEP_SECONDS : 0)) * rows * cols,
  };
}
