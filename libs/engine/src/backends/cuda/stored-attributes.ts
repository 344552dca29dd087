import { deviceEncoding, type DeviceBits, type DeviceEncoding } from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import type { LinearSpec } from '@esparse/model';
import { densePath, linearAttributesOf, type LinearAttributes } from '@esparse/model-store';
import { isPacked } from '@esparse/sparsity';
import type { ArrayGroup } from '../../weights/model-arrays.ts';

/** What a store says of a linear that the kernels can be given: 16-bit floats, or integers of 8 and 4 bits. */
export type DeviceAttributes =
  | Extract<LinearAttributes, { readonly dtype: string }>
  | (Extract<LinearAttributes, { readonly bits: number }> & { readonly bits: DeviceBits });

/** What the store says of a linear, or of the matrix in its place; undefined where that is plain. */
export function attributesOf(group: ArrayGroup, { name, weight }: LinearSpec, block: number) {
  return attributesAt(group, name) ?? attributesAt(group, densePath(weight(block)));
}

/** @throws EsparseError 'unsupported' naming what is stored as the kernels do not have it */
export function attributesAt(group: ArrayGroup, name: string): DeviceAttributes | undefined {
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined || isPacked(attributes)) return attributes;
  const where = `${group.name}: ${name}`;
  if (!('bits' in attributes)) throw refused(`${where} has the encoding ${attributes.encoding}`);
  const { bits } = attributes;
  if (bits === 3) throw refused(`${where} is integers of 3 bits`);
  return { ...attributes, bits };
}

/** The encoding that the device has for what is stored so; undefined where it has none. */
export function storedEncoding(
  attributes: DeviceAttributes | undefined,
  cols: number,
): DeviceEncoding | undefined {
  return attributes === undefined ? 'dense' : deviceEncoding({ ...attributes, cols });
}

/** @throws EsparseError 'store' for another size than the model's */
export function requireSize(
  { rows, cols }: LinearAttributes,
  [ofRows, ofCols]: readonly number[],
  where: string,
): void {
  if (rows === ofRows && cols === ofCols) return;
  throw new EsparseError(
    'store',
    `${where}: it is ${rows} x ${cols} where the model has ${ofRows} x ${ofCols}`,
  );
}

/** @throws EsparseError 'unsupported' for other floats */
export function requireBf16(dtype: string, where: string): void {
  if (dtype !== 'bf16') throw refused(`${where} is ${dtype}`);
}

/** What the kernels do not take, as an error. */
export function refused(what: string): EsparseError {
  return new EsparseError(
    'unsupported',
    `${what}: the CUDA kernels take bf16 and, but for experts of mixtures, int8 and int4`,
    { hint: 'use --device cpu' },
  );
}
