import { narrow } from './narrow.ts';
import { widen, type HalfDtype } from './widen.ts';

/**
 * The values to the nearest that a type has, ties to even, as f32 of their own. What is too large becomes infinity, NaN stays
 * NaN.
 */
export async function roundTo(dtype: HalfDtype | 'f32', values: Float32Array): Promise<Float32Array> {
  return dtype === 'f32' ? values.slice() : widen(dtype, narrow(dtype, values));
}
