import { EsparseError } from '@esparse/errors';
import type { RowTable } from '@esparse/kernels';
import { mapArray } from './map-array.ts';
import type { ArrayGroup } from './model-arrays.ts';

/**
 * Maps a tensor that was not pruned, a vector as one row.
 *
 * @throws EsparseError 'store' where it is not there, of another shape, or of a dtype that is not known
 */
export async function mapMatrix(
  group: ArrayGroup,
  array: string,
  shape: readonly number[],
): Promise<RowTable> {
  const cols = shape.at(-1)!;
  const dtype = group.arrays.get(array)?.attributes.dtype;
  if (dtype === 'f32') return { dtype, cols, data: await mapArray(group, array, 'float32', shape) };
  if (dtype === 'bf16' || dtype === 'f16') {
    return { dtype, cols, data: await mapArray(group, array, 'uint16', shape) };
  }
  if (!group.arrays.has(array)) {
    throw new EsparseError('store', `${group.name}: array ${array} is missing`);
  }
  throw new EsparseError(
    'store',
    `${group.name}: array ${array} has a dtype that this version does not know`,
  );
}
