import type { OpNamed } from '@esparse/model';
import { launchElements, typed } from '../values.ts';
import type { RunContext } from './operation.ts';

export function add({ left, right, output }: OpNamed<'add'>, { gpu, value, output: make }: RunContext): void {
  const [a, b] = [value(left), value(right)];
  const out = make(output, a.rows, a.channels);
  launchElements(gpu, 'add_elements', out, [...typed(a), ...typed(b), ...typed(out)]);
}
