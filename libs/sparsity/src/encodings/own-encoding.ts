import { z } from 'zod';
import type { OwnEncoding, SurvivorRows } from './define-encoding.ts';
import { commonAttributes, PERMUTATION, type Encoding } from './encoding.ts';
import { decodeLinear, ownArrays, survivorShape, type OwnLinear } from './own-linear.ts';

const attributes = z.object({
  encoding: z.templateLiteral(['x-', z.string()]),
  rows: commonAttributes.rows,
  cols: commonAttributes.cols,
  keep: commonAttributes.keep,
  group: commonAttributes.group,
});

/** What the group of a linear says of it whose encoding does not come with esparse. */
export type OwnAttributes = z.infer<typeof attributes>;

/** What esparse does with an encoding that does not come with it: it reads survivors, and multiplies by them as f32. */
export function encodingFrom(own: OwnEncoding): Encoding<OwnLinear, OwnAttributes> {
  const read = (linear: OwnLinear) => decodeLinear(own, linear);
  return {
    names: [own.stored],
    attributes: attributes.refine(({ encoding }) => encoding === own.stored),
    describe: ({ encoding, rows, cols, pattern: { keep, group } }) => ({ encoding, rows, cols, keep, group }),
    arrays: ({ rows, cols, keep, group }) => ({
      ...ownArrays(own, survivorShape(rows, cols, { keep, group })),
      [PERMUTATION]: { type: 'int32', shape: [cols] },
    }),
    linear: ({ encoding, rows, cols, keep, group }, { permutation, ...arrays }) => ({
      ...{ encoding, rows, cols, pattern: { keep, group }, arrays },
      permutation: permutation as Int32Array,
    }),
    data: ({ arrays, permutation }) => ({ ...arrays, permutation }),
    dtype: () => 'f32',
    values: () => own.values,
    unpack: (linear) => Promise.resolve().then(() => spread(linear, read(linear))),
    unpackToF32: (linear) => Promise.resolve().then(() => spread(linear, read(linear))),
    kept: (linear) => Promise.resolve().then(() => keptOf(linear, read(linear))),
    // No kernel knows its bytes: what it stands for is multiplied.
    weights: (linear) => ({
      ...{ kind: 'dense', dtype: 'f32', rows: linear.rows, cols: linear.cols },
      weights: spread(linear, read(linear)),
    }),
  };
}

/** (rows, cols), in the original order, pruned weights zero. */
function spread(
  { permutation }: OwnLinear,
  { rows, cols, each, values, positions }: SurvivorRows,
): Float32Array {
  const out = new Float32Array(rows * cols);
  values.forEach((value, at) => {
    out[Math.floor(at / each) * cols + permutation[positions[at]!]!] = value;
  });
  return out;
}

/** (rows, cols), in the original order: 1 where a weight survives. */
function keptOf({ permutation }: OwnLinear, { rows, cols, each, positions }: SurvivorRows): Uint8Array {
  const out = new Uint8Array(rows * cols);
  positions.forEach((position, at) => {
    out[Math.floor(at / each) * cols + permutation[position]!] = 1;
  });
  return out;
}
