import type { OpNamed } from '@esparse/model';
import { float, int, pointer, threadsOfRow, typed } from '../values.ts';
import type { RunContext } from './operation.ts';

export function layerNorm(
  { input, output, weight, bias, epsilon }: OpNamed<'layerNorm'>,
  { gpu, value, parameter, output: make }: RunContext,
): void {
  const from = value(input);
  const out = make(output, from.rows, from.channels);
  gpu.launch('layer_norm', { grid: [from.rows], threads: threadsOfRow(from.channels) }, [
    ...typed(from),
    pointer(parameter(weight).memory.address),
    pointer(parameter(bias).memory.address),
    ...typed(out),
    int(from.channels),
    float(epsilon),
  ]);
}
