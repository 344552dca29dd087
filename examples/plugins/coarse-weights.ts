/**
 * A stage of one's own that changes weights: after Wanda's mask, the survivors keep only the first bits of their
 * fraction, as if they were to be stored in a smaller type.
 *
 *   npx esparse prune --pipeline examples/plugins/coarse-weights.ts --set bits=2 \
 *     --model examples/models/llama-2m --calibration examples/text/calibration.txt --store out/coarse.zarr
 */
import { definePipeline, defineStage, wanda, z } from '@esparse/api';

/** Bits of the fraction of each dtype. */
const FRACTION = { bf16: 7, f16: 10 };
const MAGNITUDE = 0x7fff;
/** Exponents of all ones: rounding up must not reach them. */
const INFINITE = { bf16: 0x7f80, f16: 0x7c00 };

/** As seen on a processor of today. */
const SECONDS_A_WEIGHT = 5e-9;

const options = z.object({
  bits: z.int().min(0).max(10).default(3).describe('bits of the fraction that the survivors keep'),
});

export const coarseWeights = defineStage({
  name: 'coarse-weights',
  options,
  statistics: {},
  run({ dtype, weights }, { options: { bits } }) {
    const dropped = Math.max(0, FRACTION[dtype] - bits);
    const half = dropped === 0 ? 0 : 2 ** (dropped - 1);
    const kept = ~(2 ** dropped - 1);
    // Never the input itself: it is not ours to change.
    const rounded = weights.map((word) => {
      const up = ((word & MAGNITUDE) + half) & kept;
      return (word & ~MAGNITUDE) | (up < INFINITE[dtype] ? up : word & MAGNITUDE & kept);
    });
    return Promise.resolve({ weights: rounded });
  },
  // What `esparse plan` adds up: a copy of the weights, and the time of rounding them.
  cost: ({ rows, cols }) => ({ bytes: 2 * rows * cols, seconds: SECONDS_A_WEIGHT * rows * cols }),
});

export default definePipeline({
  name: 'coarse-weights',
  summary: 'Wanda, then survivors of a few bits',
  options,
  create: ({ bits }) => ({ metric: wanda(), stages: [coarseWeights({ bits })] }),
});
