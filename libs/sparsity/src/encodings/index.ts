import type { PackedLinear } from '../packed-linear.ts';
import type { QuantizedLinear } from '../quantization/quantized-linear.ts';
import type { EncodedLinear, Encoding, EncodingAttributes } from './encoding.ts';
import { packedEncoding, type PackedAttributes } from './packed.ts';
import { quantizedEncoding, type QuantizedAttributes } from './quantized.ts';

/** A linear of any encoding that comes with esparse. */
export type StoredLinear = PackedLinear | QuantizedLinear;
/** What its group says of it. */
export type StoredAttributes = PackedAttributes | QuantizedAttributes;

/** Whichever it is: what it takes was made by it. */
export type AnyEncoding = Encoding<StoredLinear, StoredAttributes>;

/** Each takes linears and attributes of its own alone, which it is found by. */
const ENCODINGS = [packedEncoding, quantizedEncoding] as unknown as readonly AnyEncoding[];

const byName = new Map(ENCODINGS.flatMap((encoding) => encoding.names.map((name) => [name, encoding])));

/** The encoding that a store names so; undefined where this version does not know it. */
export function encodingNamed(name: unknown): AnyEncoding | undefined {
  return typeof name === 'string' ? byName.get(name) : undefined;
}

/** The encoding of a linear, or of attributes that were checked. */
export function encodingOf({ encoding }: Pick<EncodedLinear | EncodingAttributes, 'encoding'>): AnyEncoding {
  return byName.get(encoding)!;
}
