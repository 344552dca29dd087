import type { QuantizedBits } from '@esparse/kernels';
import { z } from 'zod';
import { SCALE_GROUP, type RoundingOptions } from './integer-weights.ts';

/** The bits of each kind of values. */
const BITS = { int8: 8, int4: 4, int3: 3 } as const satisfies Record<string, QuantizedBits>;
/** Survivors that may be asked to share a scale. */
const MAX_GROUP = 512;

/** The options of every stage that makes integers of survivors. */
export const integerOptions = z.object({
  values: z.enum(['int8', 'int4', 'int3']).describe('what survivors are stored as; 16-bit floats without it'),
  group: z
    .int()
    .min(2)
    .max(MAX_GROUP)
    .default(SCALE_GROUP)
    .describe('survivors of a row that share a scale, at most: whole groups of the pattern'),
});

/** What these options ask for. */
export function roundingFor({ values, group }: z.output<typeof integerOptions>): Required<RoundingOptions> {
  return { bits: BITS[values], group };
}
