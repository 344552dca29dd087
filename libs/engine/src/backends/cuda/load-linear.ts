import type { DeviceEncoding, StoredLinear } from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import { widenReference, type RowTable } from '@esparse/kernels';
import type { LinearSpec, TensorSpec } from '@esparse/model';
import { densePath } from '@esparse/model-store';
import { isPacked, isPermutation, unpackToHalf } from '@esparse/sparsity';
import { mapEncoded } from '../../weights/map-linear.ts';
import { mapMatrix } from '../../weights/map-matrix.ts';
import type { ArrayGroup } from '../../weights/model-arrays.ts';
import {
  attributesAt,
  requireBf16,
  requireSize,
  storedEncoding,
  type DeviceAttributes,
} from './stored-attributes.ts';

/**
 * A linear of a block, as the device is to have it.
 *
 * @throws EsparseError 'store' naming what is missing, of another size, or damaged
 */
export async function loadLinear(
  group: ArrayGroup,
  spec: LinearSpec,
  block: number,
  encoding: DeviceEncoding,
): Promise<StoredLinear> {
  const { name, rows, cols } = spec;
  const weight = spec.weight(block);
  const attributes = attributesAt(group, name);
  if (attributes === undefined) {
    return loadMatrix(group, densePath(weight), { name: weight, shape: [rows, cols] }, encoding);
  }
  const where = `block ${block}: ${name}`;
  requireSize(attributes, [rows, cols], where);
  return loadEncoded(group, name, attributes, encoding, where);
}

/**
 * A matrix that is not pruned: as it was, or as integers in its place.
 *
 * @throws EsparseError 'store' naming what is missing, of another size, pruned, or damaged
 */
export async function loadMatrix(
  group: ArrayGroup,
  array: string,
  { shape }: TensorSpec,
  encoding?: DeviceEncoding,
): Promise<StoredLinear> {
  const [rows, cols] = shape as [number, number];
  const where = `${group.name}: ${array}`;
  const attributes = attributesAt(group, array);
  if (attributes !== undefined) {
    requireSize(attributes, shape, where);
    if (attributes.group !== 1) {
      throw new EsparseError('store', `${where}: a matrix that is not pruned is stored as a pruned one`);
    }
    const own = storedEncoding(attributes, cols);
    return loadEncoded(group, array, attributes, encoding ?? own ?? 'dense', where);
  }
  const { dtype, data } = await mapMatrix(group, array, shape);
  requireBf16(dtype, where);
  return { rows, cols, values: data as Uint16Array };
}

/** A vector, as f32. */
export async function loadVector(
  group: ArrayGroup,
  array: string,
  { shape }: TensorSpec,
): Promise<Float32Array> {
  return f32Of(await mapMatrix(group, array, shape));
}

/** What is stored with attributes of its own. */
async function loadEncoded(
  group: ArrayGroup,
  name: string,
  attributes: DeviceAttributes,
  encoding: DeviceEncoding,
  where: string,
): Promise<StoredLinear> {
  const { rows, cols } = attributes;
  if (isPacked(attributes)) requireBf16(attributes.dtype, where);
  const { linear } = await mapEncoded(group, name, attributes);
  const { permutation } = linear;
  if (permutation !== undefined && !isPermutation(permutation, cols)) {
    throw new EsparseError('store', `${where}: its permutation does not name each of ${cols} channels once`);
  }
  if (storedEncoding(attributes, cols) !== encoding) {
    return { rows, cols, values: await unpackToHalf(linear, 'bf16') };
  }
  const { indices } = linear;
  if (!('scales' in linear)) return { rows, cols, values: linear.values, indices, permutation };
  const { bits, span, values, scales } = linear;
  return { rows, cols, bits, span, values, scales, indices, permutation };
}

function f32Of(table: RowTable): Float32Array {
  return table.dtype === 'f32'
    ? table.data.slice()
    : Float32Array.from(widenReference(table.dtype, table.data));
}
