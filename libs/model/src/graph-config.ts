import { z } from 'zod';

/** The `model_type` of the config.json that an ONNX file stands for. */
export const GRAPH_TYPE = 'onnx';

const count = z.number().int().nonnegative();
const name = z.string().min(1).max(200);
const sizes = z.array(count).max(8);

const source = z.discriminatedUnion('from', [
  z.object({ from: z.literal('rows'), value: z.string() }),
  z.object({
    from: z.literal('windows'),
    value: z.string(),
    part: count,
    parts: count,
    kernel: sizes,
    strides: sizes,
    dilations: sizes,
    pads: z.union([z.array(count).max(16), z.literal('SAME_UPPER'), z.literal('SAME_LOWER')]),
  }),
  z.object({
    from: z.literal('states'),
    value: z.string(),
    initial: z.string().optional(),
    direction: count,
    backwards: z.boolean(),
  }),
]);

const values = z.array(
  z.object({ name: z.string(), type: count, shape: z.array(count.nullable()).nullable() }),
);

const place = z.object({
  tensor: count,
  base: count,
  rowStride: count,
  inner: count,
  innerStride: count,
  outerStride: count,
});

/** What `describeGraph` of @esparse/checkpoint finds, as config.json has it. */
export const graphConfig = z.object({
  model_type: z.literal(GRAPH_TYPE),
  opset: count,
  inputs: values,
  outputs: values,
  branches: z.record(z.string(), z.boolean()),
  steps: z.array(z.object({ from: count, to: count })).min(1),
  taps: z.array(z.object({ name, step: count, channels: count.min(1), source })),
  linears: z
    .array(
      z.object({
        ...{ name, step: count, tap: name, rows: count.min(1), cols: count.min(1) },
        inner: count.min(1).optional(),
        dtype: z.enum(['F32', 'F16']),
        place,
      }),
    )
    .min(1),
  left: z.array(z.object({ node: z.string(), operator: z.string(), why: z.string() })),
});
