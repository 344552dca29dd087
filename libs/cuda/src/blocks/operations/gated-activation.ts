import type { OpNamed } from '@esparse/model';
import { int, launchElements, typed } from '../values.ts';
import { ACTIVATIONS } from './activation.ts';
import type { RunContext } from './operation.ts';

export function gatedActivation(
  { activation, gate, up, output }: OpNamed<'gatedActivation'>,
  { gpu, value, output: make }: RunContext,
): void {
  const [gates, factors] = [value(gate), value(up)];
  const out = make(output, gates.rows, gates.channels);
  const args = [int(ACTIVATIONS[activation]), ...typed(gates), ...typed(factors), ...typed(out)];
  launchElements(gpu, 'gate_elements', out, args);
}
