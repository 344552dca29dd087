import { from, type OperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import type { Stage, StageContext } from '@esparse/sparsity';
import { enrich } from './enrich.ts';
import type { MaskedLinear } from './linear.ts';

/** Runs a step between mask and pack: what it gives takes the place of weights and mask. */
export function stage(step: Stage, context: StageContext): OperatorFunction<MaskedLinear, MaskedLinear> {
  return enrich((linear) => from(run(step, linear, context)));
}

async function run(
  { name, run: change }: Stage,
  linear: MaskedLinear,
  { signal, note, progress }: StageContext,
): Promise<Pick<MaskedLinear, 'weights' | 'mask'>> {
  const { block, name: linearName, weights, mask, order } = linear;
  const changed = await change(
    { ...linear, permutation: order.permutation },
    {
      signal,
      note: (message) => {
        note(`block ${block}, ${linearName}: ${name}: ${message}`);
      },
      progress,
    },
  );
  for (const part of ['weights', 'mask'] as const) {
    const found = changed[part];
    if (found === undefined || found.length === linear[part].length) continue;
    throw new EsparseError(
      'usage',
      `stage ${name}, block ${block}, ${linearName}: ${part} of ${found.length} elements, expected ${linear[part].length}`,
    );
  }
  if (changed.weights !== undefined && changed.weights !== weights) free(weights);
  if (changed.mask !== undefined && changed.mask !== mask) free(mask);
  return { weights: changed.weights ?? weights, mask: changed.mask ?? mask };
}
