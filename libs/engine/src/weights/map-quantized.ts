import type { QuantizedWeights } from '@esparse/kernels';
import type { LinearAttributes } from '@esparse/model-store';
import { quantizedShapes } from '@esparse/sparsity';
import { mapArray } from './map-array.ts';
import type { ArrayGroup } from './model-arrays.ts';

/** The attributes of a quantized linear. */
export type QuantizedAttributes = LinearAttributes & { readonly encoding: 'quantized-v1' };

/**
 * Maps a quantized matrix: its codes, scales, and where something is pruned indices and permutation.
 *
 * @throws EsparseError 'store' where an array is not there, or of another shape than the attributes say
 */
export async function mapQuantized(
  group: ArrayGroup,
  name: string,
  { rows, cols, keep, group: size, bits, span }: QuantizedAttributes,
): Promise<QuantizedWeights> {
  const shapes = quantizedShapes({ rows, cols, pattern: { keep, group: size }, bits, span });
  return {
    kind: 'quantized',
    ...{ rows, cols, keep, group: size, bits, span },
    codes: await mapArray(group, `${name}/values`, 'uint8', shapes.values),
    scales: await mapArray(group, `${name}/scales`, 'uint16', shapes.scales),
    indices: shapes.indices && (await mapArray(group, `${name}/indices`, 'uint8', shapes.indices)),
    permutation: shapes.indices && (await mapArray(group, `${name}/permutation`, 'int32', [cols])),
  };
}

/** Bytes of what a product with it reads. */
export function quantizedBytes({ codes, scales, indices }: QuantizedWeights): number {
  return codes.byteLength + scales.byteLength + (indices?.byteLength ?? 0);
}
