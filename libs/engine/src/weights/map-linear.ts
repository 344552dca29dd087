import type { LinearWeights } from '@esparse/kernels';
import type { LinearAttributes } from '@esparse/model-store';
import {
  encodingOf,
  PERMUTATION,
  type EncodedData,
  type OwnLinear,
  type PackedLinear,
  type QuantizedLinear,
} from '@esparse/sparsity';
import { mapArray } from './map-array.ts';
import type { ArrayGroup } from './model-arrays.ts';

/** A linear's weights as the kernels take them, and how many bytes lie mapped. */
export interface MappedLinear {
  readonly weights: LinearWeights;
  /** Of what a product reads. */
  readonly bytes: number;
  readonly permutationBytes: number;
}

/**
 * Maps the arrays of a linear, whatever its encoding.
 *
 * @throws EsparseError 'store' where one is missing or of another size
 */
export async function mapLinear(
  group: ArrayGroup,
  name: string,
  attributes: LinearAttributes,
): Promise<MappedLinear> {
  const { linear, ...sizes } = await mapEncoded(group, name, attributes);
  return { weights: encodingOf(attributes).weights(linear), ...sizes };
}

/** What has such attributes. */
type LinearOf<Attributes> = Attributes extends { readonly bits: infer Bits }
  ? QuantizedLinear & { readonly bits: Bits }
  : Attributes extends { readonly dtype: string }
    ? PackedLinear
    : OwnLinear;

/** The same as the store has it. */
export async function mapEncoded<Attributes extends LinearAttributes>(
  group: ArrayGroup,
  name: string,
  attributes: Attributes,
): Promise<{ linear: LinearOf<Attributes>; bytes: number; permutationBytes: number }> {
  const encoding = encodingOf(attributes);
  const mapped: Record<string, EncodedData[string]> = {};
  let [bytes, permutationBytes] = [0, 0];
  for (const [array, { type, shape }] of Object.entries(encoding.arrays(attributes))) {
    // Inputs that are not shuffled need no order.
    if (array === PERMUTATION && !group.arrays.has(`${name}/${array}`)) continue;
    const data = await mapArray(group, `${name}/${array}`, type, shape);
    mapped[array] = data;
    if (array === PERMUTATION) permutationBytes += data.byteLength;
    else bytes += data.byteLength;
  }
  const linear = encoding.linear(attributes, mapped) as LinearOf<Attributes>;
  return { linear, bytes, permutationBytes };
}
