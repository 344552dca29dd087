import { narrow, widen } from '@esparse/kernels';
import type { TunedParameter } from './tune-block.ts';

/** The values to the nearest that a type has, ties to even. */
export async function rounded(dtype: TunedParameter['dtype'], values: Float32Array): Promise<Float32Array> {
  if (dtype === 'f32') return values;
  return widen(dtype, narrow(dtype, values));
}
