import type { OpNamed } from '@esparse/model';
import { int, launchElements, typed } from '../values.ts';
import type { RunContext } from './operation.ts';

/** As `Activation` in `kernels/block/activations.cuh`. */
export const ACTIVATIONS = { relu: 0, gelu: 1, silu: 2 } as const;

export function activation(
  { activation: kind, input, output }: OpNamed<'activation'>,
  { gpu, value, output: make }: RunContext,
): void {
  const from = value(input);
  const out = make(output, from.rows, from.channels);
  launchElements(gpu, 'activate', out, [int(ACTIVATIONS[kind]), ...typed(from), ...typed(out)]);
}
