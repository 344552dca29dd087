import { z } from 'zod';
import { packedShapes, type PackedLinear } from '../packed-linear.ts';
import { keptIn, unpackLinear, unpackToF32 } from '../unpack-linear.ts';
import { commonAttributes, type Encoding } from './encoding.ts';

const attributes = z.object({
  ...commonAttributes,
  encoding: z.enum(['index-v1', 'mask-v1']),
  dtype: z.enum(['bf16', 'f16']),
});

/** The attributes of a linear with its survivors in 16 bits. */
export type PackedAttributes = z.infer<typeof attributes>;

/** Survivors in 16 bits, with their indices: see `PackedLayout` of @esparse/kernels. */
export const packedEncoding: Encoding<PackedLinear, PackedAttributes> = {
  names: attributes.shape.encoding.options,
  attributes,
  describe: ({ encoding, dtype, rows, cols, pattern: { keep, group }, tileRows }) => ({
    ...{ encoding, dtype, rows, cols, keep, group, tileRows },
  }),
  arrays({ dtype, rows, cols, keep, group }) {
    const { values, indices, permutation } = packedShapes({ keep, group }, rows, cols);
    return {
      values: { type: 'uint16', shape: values, dtype },
      indices: { type: 'uint8', shape: indices },
      permutation: { type: 'int32', shape: permutation },
    };
  },
  linear: ({ encoding, dtype, rows, cols, keep, group, tileRows }, { values, indices, permutation }) => ({
    ...{ encoding, dtype, rows, cols, pattern: { keep, group }, tileRows },
    values: values as Uint16Array,
    indices: indices as Uint8Array,
    permutation: permutation as Int32Array,
  }),
  data: ({ values, indices, permutation }) => ({ values, indices, permutation }),
  dtype: ({ dtype }) => dtype,
  values: ({ dtype }) => dtype,
  unpack: unpackLinear,
  unpackToF32,
  kept: keptIn,
  weights: ({ dtype, rows, cols, pattern, values, indices, permutation }) => ({
    ...{ kind: 'packed', dtype, rows, cols, ...pattern, values, indices, permutation },
  }),
};
