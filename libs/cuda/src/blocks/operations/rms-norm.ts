import type { OpNamed } from '@esparse/model';
import { float, int, pointer, threadsOfRow, typed } from '../values.ts';
import type { RunContext } from './operation.ts';

export function rmsNorm(
  { input, output, weight, epsilon, offset = 0, groups = 1 }: OpNamed<'rmsNorm'>,
  { gpu, value, parameter, output: make }: RunContext,
): void {
  const from = value(input);
  const out = make(output, from.rows, from.channels);
  const channels = from.channels / groups;
  gpu.launch('rms_norm', { grid: [from.rows * groups], threads: threadsOfRow(channels) }, [
    ...typed(from),
    pointer(parameter(weight).memory.address),
    ...typed(out),
    int(channels),
    float(epsilon),
    float(offset),
  ]);
}
