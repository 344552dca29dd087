import { EsparseError } from '@esparse/errors';
import { narrow, type HalfDtype } from '@esparse/kernels';
import type { PackedLinear } from '../packed-linear.ts';
import { unpackLinear } from '../unpack-linear.ts';
import type { QuantizedLinear } from '../quantization/quantized-linear.ts';
import type { OwnEncoding } from './define-encoding.ts';
import type { EncodedLinear, Encoding, EncodingAttributes } from './encoding.ts';
import { encodingFrom, type OwnAttributes } from './own-encoding.ts';
import { decodeLinear, type OwnLinear } from './own-linear.ts';
import { packedEncoding, type PackedAttributes } from './packed.ts';
import { quantizedEncoding, type QuantizedAttributes } from './quantized.ts';

/** A linear of any encoding. */
export type StoredLinear = PackedLinear | QuantizedLinear | OwnLinear;
/** What its group says of it. */
export type StoredAttributes = PackedAttributes | QuantizedAttributes | OwnAttributes;

/** Whichever it is: what it takes was made by it. */
export type AnyEncoding = Encoding<StoredLinear, StoredAttributes>;

/** Whether survivors are 16-bit floats: what block stages change, and GPUs multiply. */
export function isPacked<T extends StoredLinear | StoredAttributes>(
  of: T,
): of is Extract<T, { readonly dtype: string }> {
  return 'dtype' in of;
}

/** Each takes linears and attributes of its own alone, which it is found by. */
const ENCODINGS = [packedEncoding, quantizedEncoding] as unknown as readonly AnyEncoding[];

const byName = new Map(ENCODINGS.flatMap((encoding) => encoding.names.map((name) => [name, encoding])));

const registered = new Map<string, OwnEncoding>();

/**
 * Makes an encoding that does not come with esparse known to this thread.
 *
 * @throws EsparseError 'usage' where another one of its name is
 */
export function registerEncoding(own: OwnEncoding): void {
  const before = registered.get(own.stored);
  if (before === own) return;
  if (before !== undefined) throw new EsparseError('usage', `there are two encodings called ${own.name}`);
  registered.set(own.stored, own);
  byName.set(own.stored, encodingFrom(own));
}

/**
 * Where the survivors of a linear stand whose encoding does not come with esparse: (rows, survivors of a row), as `placesOf`
 * of @esparse/kernels gives them.
 *
 * @throws EsparseError 'store' where it contradicts itself
 */
export function ownPositions(linear: OwnLinear): Int32Array {
  return decodeLinear(registered.get(linear.encoding)!, linear).positions;
}

/** The encoding that a store names so; undefined where this version does not know it. */
export function encodingNamed(name: unknown): AnyEncoding | undefined {
  return typeof name === 'string' ? byName.get(name) : undefined;
}

/** The encoding of a linear, or of attributes that were checked. */
export function encodingOf({ encoding }: Pick<EncodedLinear | EncodingAttributes, 'encoding'>): AnyEncoding {
  return byName.get(encoding)!;
}

/** The dense weights of a linear as the bits of a 16-bit type: exact where it is packed, rounded elsewhere. */
export async function unpackToHalf(linear: StoredLinear, dtype: HalfDtype): Promise<Uint16Array> {
  return isPacked(linear)
    ? unpackLinear(linear)
    : narrow(dtype, await encodingOf(linear).unpackToF32(linear));
}
