import { EsparseError } from '@esparse/errors';
import { quantize, quantizeOptions } from '@esparse/reconstruction';
import type { Stage } from '@esparse/sparsity';
import { z } from 'zod';

const { values, group, spread } = quantizeOptions.shape;

/** How the survivors of a pipeline are stored: options that all of them have. Left out, they change no run. */
export const survivorOptions = z.object({
  values: values.optional(),
  group: group
    .unwrap()
    .optional()
    .describe(`${group.description ?? ''} [32]`),
  spread: spread
    .unwrap()
    .optional()
    .describe(`${spread.description ?? ''} [where the pipeline has a Hessian at hand]`),
});

/** The last stage of a pipeline, where its survivors are to be integers. */
export function quantized(
  { values: asked, group: size, spread: spreads }: z.output<typeof survivorOptions>,
  hessianAtHand = false,
): readonly Stage[] {
  if (asked !== undefined)
    return [
      quantize({
        values: asked,
        spread: spreads ?? hessianAtHand,
        ...(size !== undefined && { group: size }),
      }),
    ];
  if (size === undefined && spreads === undefined) return [];
  throw noIntegers();
}

/** What `tune` is told where it is the stage that makes the integers. */
export function tunedIntegers({
  values: asked,
  group: size,
  spread: spreads,
}: z.output<typeof survivorOptions>): Pick<z.output<typeof survivorOptions>, 'values' | 'group'> {
  if (asked === undefined && (size ?? spreads) !== undefined) throw noIntegers();
  if (spreads === true) {
    throw new EsparseError(
      'usage',
      'spread passes on what rounding takes, which tuning makes up for itself',
      {
        hint: 'leave spread out, or tune in no steps: steps=0',
      },
    );
  }
  return { values: asked, group: size };
}

function noIntegers(): EsparseError {
  return new EsparseError('usage', 'group and spread say how integers are made, but none are', {
    hint: 'give values=int8 or values=int4, too',
  });
}
