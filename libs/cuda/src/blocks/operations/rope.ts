import type { OpNamed } from '@esparse/model';
import { float, int, pointer, typed } from '../values.ts';
import type { RunContext } from './operation.ts';

const THREADS = 128;

export function rope(
  { input, output, heads, headDim, spec }: OpNamed<'rope'>,
  { gpu, seqlen, value, output: make, rope: tables }: RunContext,
): void {
  const from = value(input);
  const out = make(output, from.rows, from.channels);
  const { cos, sin } = tables(spec);
  const pairs = (heads * headDim) / 2;
  gpu.launch('turn_heads', { grid: [from.rows, Math.ceil(pairs / THREADS)], threads: THREADS }, [
    ...typed(from),
    ...typed(out),
    pointer(cos),
    pointer(sin),
    int(seqlen),
    int(heads),
    int(headDim),
    int(spec.channels / 2),
    float(1),
  ]);
}
