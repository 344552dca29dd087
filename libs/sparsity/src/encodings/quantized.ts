import { z } from 'zod';
import {
  keepsEverything,
  QUANTIZED,
  quantizedShapes,
  type QuantizedLinear,
} from '../quantization/quantized-linear.ts';
import { keptInQuantized, unpackQuantized } from '../quantization/unpack-quantized.ts';
import { commonAttributes, type Encoding } from './encoding.ts';

const attributes = z.object({
  ...commonAttributes,
  encoding: z.literal(QUANTIZED),
  bits: z.union([z.literal(3), z.literal(4), z.literal(8)]),
  span: z.number().int().positive(),
});

/** The attributes of a linear as integers with scales. */
export type QuantizedAttributes = z.infer<typeof attributes>;

/** Survivors, or all weights, as integers with scales: see `QuantizedLayout` of @esparse/kernels. */
export const quantizedEncoding: Encoding<QuantizedLinear, QuantizedAttributes> = {
  names: [QUANTIZED],
  attributes,
  describe: ({ encoding, bits, rows, cols, pattern: { keep, group }, span, tileRows }) => ({
    ...{ encoding, bits, rows, cols, keep, group, span, tileRows },
  }),
  arrays({ bits, rows, cols, keep, group, span }) {
    const { values, scales, indices } = quantizedShapes({ rows, cols, pattern: { keep, group }, bits, span });
    return {
      values: { type: 'uint8', shape: values },
      scales: { type: 'uint16', shape: scales, dtype: 'bf16' },
      ...(indices && {
        indices: { type: 'uint8', shape: indices },
        permutation: { type: 'int32', shape: [cols] },
      }),
    };
  },
  linear(
    { encoding, bits, rows, cols, keep, group, span, tileRows },
    { values, scales, indices, permutation },
  ) {
    const pattern = { keep, group };
    const pruned = !keepsEverything(pattern);
    return {
      ...{ encoding, bits, rows, cols, pattern, span, tileRows },
      values: values as Uint8Array,
      scales: scales as Uint16Array,
      indices: pruned ? (indices as Uint8Array) : undefined,
      permutation: pruned ? (permutation as Int32Array) : undefined,
    };
  },
  data: ({ values, scales, indices, permutation }) => ({
    ...{ values, scales },
    ...(indices && { indices }),
    ...(permutation && { permutation }),
  }),
  // An integer times its scale needs more bits than 16-bit floats have.
  dtype: () => 'f32',
  values: ({ bits }) => `int${bits}`,
  unpack: (linear) => Promise.resolve().then(() => unpackQuantized(linear)),
  unpackToF32: (linear) => Promise.resolve().then(() => unpackQuantized(linear)),
  kept: (linear) => Promise.resolve().then(() => keptInQuantized(linear)),
  weights: ({ rows, cols, pattern, bits, span, values, scales, indices, permutation }) => ({
    ...{ kind: 'quantized', rows, cols, ...pattern, bits, span },
    ...{ codes: values, scales, indices, permutation },
  }),
};
