import { z } from 'zod';

/** Options that every pipeline has beside its own: what they say is of the run, and no part of the pipeline is given them. */
export const commonOptions = z.object({
  outputError: z
    .boolean()
    .default(true)
    .describe(
      'whether the run finds how much the output of every linear changes, on rows of the calibration',
    ),
});
