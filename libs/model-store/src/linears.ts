import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import {
  keepsEverything,
  packedShapes,
  quantizedShapes,
  unpackQuantized,
  unpackToF32,
  type PackedLinear,
  type QuantizedLinear,
} from '@esparse/sparsity';
import type { ArrayInput, CommittedGroup, Transaction } from '@esparse/store';
import { z } from 'zod';
import { meanScorePath } from './paths.ts';

/** What the groups of all encodings say beside their arrays. */
const common = {
  rows: z.number().int().positive(),
  cols: z.number().int().positive(),
  keep: z.number().int().positive(),
  group: z.number().int().positive(),
  tileRows: z.literal(16),
};
/** Kept score in the original order and in the shuffled one. */
const keptScore = z.object({ before: z.number(), after: z.number() });
/** What a report shows beside. */
const figuresOf = z.object({ totalScore: z.number(), outputError: z.number().optional() });

/** What a packed linear's group says of itself. */
const linearAttributes = z.discriminatedUnion('encoding', [
  z.object({
    ...common,
    encoding: z.enum(['index-v1', 'mask-v1']),
    dtype: z.enum(['bf16', 'f16']),
    keptScore,
    figures: figuresOf.optional(),
  }),
  z.object({
    ...common,
    encoding: z.literal('quantized-v1'),
    bits: z.union([z.literal(4), z.literal(8)]),
    span: z.number().int().positive(),
    /** Absent where nothing is pruned. */
    keptScore: keptScore.optional(),
    figures: figuresOf.optional(),
  }),
]);

/** The attributes of a packed linear, as stored. */
export type LinearAttributes = z.infer<typeof linearAttributes>;

/** A linear as the store has it where it is not a plain matrix. */
export type StoredLinear = PackedLinear | QuantizedLinear;

/** Kept score in the original order and in the shuffled one. */
type KeptScore = z.infer<typeof keptScore>;

/** Figures of a linear for a report: numbers, and the mean score of each channel, (cols). */
export interface StoredFigures extends z.infer<typeof figuresOf> {
  readonly meanScore: Float32Array;
}

/** What is known of a linear beside its weights. */
export interface LinearRecord {
  /** Absent where nothing is pruned. */
  readonly keptScore?: KeptScore;
  readonly figures?: StoredFigures | undefined;
}

/** Writes a linear: its arrays below `<name>/`, and what they mean. */
export async function writeLinear(
  transaction: Transaction,
  name: string,
  linear: StoredLinear,
  { keptScore: score, figures }: LinearRecord,
): Promise<void> {
  const record = {
    ...(score && { keptScore: score }),
    ...(figures && { figures: numbersOf(figures) }),
  };
  const puts = [...arraysOf(linear)].map(([array, input]) => transaction.putArray(`${name}/${array}`, input));
  if (figures !== undefined) {
    const { meanScore } = figures;
    puts.push(transaction.putArray(meanScorePath(name), { data: meanScore, shape: [linear.cols] }));
  }
  puts.push(transaction.putGroup(name, { ...descriptionOf(linear), ...record }));
  // At once: one waits for the disk while the other is summed. All have ended before an error is thrown, since the caller
  // may reuse the memory after it.
  await Promise.allSettled(puts);
  await Promise.all(puts);
}

function numbersOf({ totalScore, outputError }: StoredFigures): z.infer<typeof figuresOf> {
  return { totalScore, ...(outputError !== undefined && { outputError }) };
}

/** The attributes that say what the arrays are. */
function descriptionOf(linear: StoredLinear): Record<string, unknown> {
  const { encoding, rows, cols, pattern, tileRows } = linear;
  const { keep, group } = pattern;
  const common = { rows, cols, keep, group, tileRows };
  if (encoding === 'quantized-v1') return { encoding, bits: linear.bits, ...common, span: linear.span };
  return { encoding, dtype: linear.dtype, ...common };
}

/** The arrays of a linear, by their names. */
function arraysOf(linear: StoredLinear): Map<string, ArrayInput> {
  const { rows, cols, pattern, values, indices, permutation } = linear;
  const arrays = new Map<string, ArrayInput>();
  const put = (
    name: string,
    data: ArrayInput['data'] | undefined,
    shape: readonly number[] = [],
    dtype?: string,
  ) => {
    if (data !== undefined) arrays.set(name, { data, shape, ...(dtype && { attributes: { dtype } }) });
  };
  if (linear.encoding === 'quantized-v1') {
    const shapes = quantizedShapes(linear);
    put('values', values, shapes.values);
    put('scales', linear.scales, shapes.scales, 'bf16');
    put('indices', indices, shapes.indices);
  } else {
    const shapes = packedShapes(pattern, rows, cols);
    put('values', values, shapes.values, linear.dtype);
    put('indices', indices, shapes.indices);
  }
  put('permutation', permutation, [cols]);
  return arrays;
}

/** The attributes of a packed linear, or `undefined` where the linear is not packed. */
export function linearAttributesOf(
  group: Pick<CommittedGroup, 'arrays' | 'groupAttributes'>,
  name: string,
): LinearAttributes | undefined {
  if (!group.arrays.has(`${name}/values`)) return undefined;
  const parsed = linearAttributes.safeParse(group.groupAttributes(name));
  if (parsed.success) return parsed.data;
  throw new EsparseError('store', `linear ${name} is described in a way that this version does not know`, {
    hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`',
    context: { linear: name },
    cause: parsed.error,
  });
}

/** Reads a packed linear, its checksums verified. @throws EsparseError 'store' where the block holds none of that name */
export async function readLinear(
  group: CommittedGroup,
  name: string,
  signal?: AbortSignal,
): Promise<StoredLinear> {
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined) throw new EsparseError('store', `the block holds no packed linear ${name}`);
  if (attributes.encoding === 'quantized-v1') return readQuantized(group, name, attributes, signal);
  const { encoding, dtype, rows, cols, keep, group: size, tileRows } = attributes;
  const pattern = { keep, group: size };
  // Reading comes with the checksums; what unpacks the linear checks that the arrays fit each other.
  const [values, indices, permutation] = await Promise.all([
    group.readAs(`${name}/values`, 'uint16', signal),
    group.readAs(`${name}/indices`, 'uint8', signal),
    group.readAs(`${name}/permutation`, 'int32', signal),
  ]);
  return {
    encoding,
    dtype,
    rows,
    cols,
    pattern,
    tileRows,
    values: values.data,
    indices: indices.data,
    permutation: permutation.data,
  };
}

async function readQuantized(
  group: CommittedGroup,
  name: string,
  {
    encoding,
    bits,
    rows,
    cols,
    keep,
    group: size,
    span,
    tileRows,
  }: LinearAttributes & { encoding: 'quantized-v1' },
  signal?: AbortSignal,
): Promise<QuantizedLinear> {
  const pattern = { keep, group: size };
  const all = keepsEverything(pattern);
  const [values, scales, indices, permutation] = await Promise.all([
    group.readAs(`${name}/values`, 'uint8', signal),
    group.readAs(`${name}/scales`, 'uint16', signal),
    all ? undefined : group.readAs(`${name}/indices`, 'uint8', signal),
    all ? undefined : group.readAs(`${name}/permutation`, 'int32', signal),
  ]);
  return {
    ...{ encoding, bits, rows, cols, pattern, span, tileRows, values: values.data, scales: scales.data },
    indices: indices?.data,
    permutation: permutation?.data,
  };
}

/** Bytes of its values, indices and scales: what a product reads. */
export function linearBytes(linear: StoredLinear): number {
  const scales = linear.encoding === 'quantized-v1' ? linear.scales.byteLength : 0;
  return linear.values.byteLength + (linear.indices?.byteLength ?? 0) + scales;
}

/** Gives back the memory of a linear's arrays. */
export function freeLinear(linear: StoredLinear): void {
  free(linear.values);
  if (linear.indices !== undefined) free(linear.indices);
}

/** A packed linear as a dense f32 matrix (rows x cols) in the original column order. */
export async function readLinearF32(
  group: CommittedGroup,
  name: string,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const packed = await readLinear(group, name, signal);
  const dense = await (packed.encoding === 'quantized-v1' ? unpackQuantized(packed) : unpackToF32(packed));
  freeLinear(packed);
  return dense;
}
