import type { OpNamed } from '@esparse/model';
import { float, launchElements, typed } from '../values.ts';
import type { RunContext } from './operation.ts';

export function scale(
  { input, output, factor }: OpNamed<'scale'>,
  { gpu, value, output: make }: RunContext,
): void {
  const from = value(input);
  const out = make(output, from.rows, from.channels);
  launchElements(gpu, 'scale_elements', out, [...typed(from), ...typed(out), float(factor)]);
}
