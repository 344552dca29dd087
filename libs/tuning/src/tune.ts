import { defineBlockStage } from '@esparse/sparsity';
import { z } from 'zod';
import { tuneCost } from './tune-cost.ts';
import { TUNE_DEFAULTS, TUNE_LIMITS } from './tune-options.ts';

/** Half of the dense model's own output: a block also mends what the blocks before it did. */
const DENSE = 0.5;
/** Sequences of a calibration that may be asked for. */
const MAX_SAMPLES = 2 ** 31 - 1;

/** Options of `tune`. */
export const tuneOptions = z.object({
  steps: z
    .int()
    .min(0)
    .max(TUNE_LIMITS.steps)
    .default(TUNE_DEFAULTS.steps)
    .describe('steps of gradient descent a block, at most; 0 leaves it as it is'),
  learningRate: z
    .number()
    .positive()
    .max(TUNE_LIMITS.learningRate)
    .default(TUNE_DEFAULTS.learningRate)
    .describe('of the first step; it falls to 0 along a cosine'),
  batch: z
    .int()
    .min(1)
    .max(TUNE_LIMITS.batch)
    .default(TUNE_DEFAULTS.batch)
    .describe('calibration windows of a step'),
  dense: z
    .number()
    .min(0)
    .max(1)
    .default(DENSE)
    .describe("share of the dense model's own output in the target; 0 spares its forward pass"),
  heldOut: z
    .number()
    .positive()
    .max(TUNE_LIMITS.heldOut)
    .default(TUNE_DEFAULTS.heldOut)
    .describe('share of the windows that is not tuned on, and decides when to stop'),
  samples: z
    .int()
    .min(2)
    .max(MAX_SAMPLES)
    .optional()
    .describe('calibration windows that are tuned with, the first ones; all where left out'),
});

/**
 * Tunes a block on its own output: gradient descent on the surviving weights, norms and biases, so that what the block makes of
 * the pruned model's hidden states comes near to what the dense block makes of them, and of the dense model's own (`tuneBlock`). A
 * worker does it, where the hidden states are read. Where the loss does not fall the block stays as it is, with a note.
 */
export const tune = defineBlockStage({
  name: 'tune',
  options: tuneOptions,
  states: ({ steps, dense }) => (steps === 0 ? 'none' : dense > 0 ? 'both' : 'pruned'),
  async run(_block, { options, tune: tuneOnWorker, note }) {
    if (options.steps === 0) return {};
    const { weights, tensors, report } = await tuneOnWorker(options);
    if (report.stopped !== 'diverged') return { weights, tensors, report };
    note('its loss did not fall, and it keeps the weights that it had');
    return { report };
  },
  cost: tuneCost,
});
