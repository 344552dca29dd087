import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import { packedShapes, unpackToF32, type PackedLinear } from '@esparse/sparsity';
import type { CommittedGroup, Transaction } from '@esparse/store';
import { z } from 'zod';
import { meanScorePath } from './paths.ts';

/** What a packed linear's group says of itself beside its arrays. */
const linearAttributes = z.object({
  encoding: z.enum(['index-v1', 'mask-v1']),
  dtype: z.enum(['bf16', 'f16']),
  rows: z.number().int().positive(),
  cols: z.number().int().positive(),
  keep: z.number().int().positive(),
  group: z.number().int().positive(),
  tileRows: z.literal(16),
  /** Kept score in the original order and in the shuffled one. */
  keptScore: z.object({ before: z.number(), after: z.number() }),
  /** What a report shows beside; absent where none were taken. */
  figures: z.object({ totalScore: z.number(), outputError: z.number().optional() }).optional(),
});

/** The attributes of a packed linear, as stored. */
export type LinearAttributes = z.infer<typeof linearAttributes>;

/** Figures of a linear for a report: numbers, and the mean score of each channel, (cols). */
export interface StoredFigures extends NonNullable<LinearAttributes['figures']> {
  readonly meanScore: Float32Array;
}

function attributesOf({ totalScore, outputError }: StoredFigures): LinearAttributes['figures'] {
  return { totalScore, ...(outputError !== undefined && { outputError }) };
}

/** Writes a packed linear: `<name>/values`, `<name>/indices`, `<name>/permutation`, and what they mean. */
export async function writeLinear(
  transaction: Transaction,
  name: string,
  packed: PackedLinear,
  keptScore: LinearAttributes['keptScore'],
  figures?: StoredFigures,
): Promise<void> {
  const { encoding, dtype, rows, cols, pattern, tileRows } = packed;
  const shapes = packedShapes(pattern, rows, cols);
  const attributes: LinearAttributes = {
    encoding,
    dtype,
    rows,
    cols,
    keep: pattern.keep,
    group: pattern.group,
    tileRows,
    keptScore,
    ...(figures && { figures: attributesOf(figures) }),
  };
  // At once: one waits for the disk while the other is summed. All have ended before an error is thrown, since the
  // caller may reuse the memory after it.
  const puts = [
    transaction.putArray(`${name}/values`, {
      data: packed.values,
      shape: shapes.values,
      attributes: { dtype },
    }),
    transaction.putArray(`${name}/indices`, { data: packed.indices, shape: shapes.indices }),
    transaction.putArray(`${name}/permutation`, { data: packed.permutation, shape: [cols] }),
    ...(figures === undefined
      ? []
      : [transaction.putArray(meanScorePath(name), { data: figures.meanScore, shape: [cols] })]),
    transaction.putGroup(name, attributes),
  ];
  await Promise.allSettled(puts);
  await Promise.all(puts);
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
): Promise<PackedLinear> {
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined) throw new EsparseError('store', `the block holds no packed linear ${name}`);
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

/** A packed linear as a dense f32 matrix (rows x cols) in the original column order. */
export async function readLinearF32(
  group: CommittedGroup,
  name: string,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const packed = await readLinear(group, name, signal);
  const dense = await unpackToF32(packed);
  for (const array of [packed.values, packed.indices]) free(array);
  return dense;
}
