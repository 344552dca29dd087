import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import {
  encodingNamed,
  encodingOf,
  PERMUTATION,
  type EncodedData,
  type StoredAttributes,
  type StoredLinear,
} from '@esparse/sparsity';
import type { ArrayInput, CommittedGroup, Transaction } from '@esparse/store';
import { z } from 'zod';
import { meanScorePath } from './paths.ts';

export type { StoredLinear } from '@esparse/sparsity';

/** Kept score in the original order and in the shuffled one. */
const keptScore = z.object({ before: z.number(), after: z.number() });
/** What a report shows beside. */
const figuresOf = z.object({ totalScore: z.number() });

/** What a group says of a linear beside its encoding. */
const recordOf = z.object({
  /** Absent where nothing is pruned. */
  keptScore: keptScore.optional(),
  figures: figuresOf.optional(),
  /** ‖XW − XŴ‖ / ‖XW‖ on some rows of the calibration; absent where it was not found. */
  outputError: z.number().optional(),
});

/** The attributes of a packed linear, as stored. */
export type LinearAttributes = StoredAttributes & z.infer<typeof recordOf>;

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
  readonly outputError?: number | undefined;
}

/** Writes a linear: its arrays below `<name>/`, and what they mean. */
export async function writeLinear(
  transaction: Transaction,
  name: string,
  linear: StoredLinear,
  { keptScore: score, figures, outputError }: LinearRecord,
): Promise<void> {
  const record = {
    ...(score && { keptScore: score }),
    ...(figures && { figures: { totalScore: figures.totalScore } }),
    ...(outputError !== undefined && { outputError }),
  };
  const puts = arraysOf(linear).map(([array, input]) => transaction.putArray(`${name}/${array}`, input));
  if (figures !== undefined) {
    const { meanScore } = figures;
    puts.push(transaction.putArray(meanScorePath(name), { data: meanScore, shape: [linear.cols] }));
  }
  puts.push(transaction.putGroup(name, { ...encodingOf(linear).describe(linear), ...record }));
  // At once: one waits for the disk while the other is summed. All have ended before an error is thrown, since the caller
  // may reuse the memory after it.
  await Promise.allSettled(puts);
  await Promise.all(puts);
}

/** The arrays of a linear, by their names. */
function arraysOf(linear: StoredLinear): [string, ArrayInput][] {
  const encoding = encodingOf(linear);
  const data = encoding.data(linear);
  return Object.entries(encoding.arrays(encoding.describe(linear))).map(([name, { shape, dtype }]) => [
    name,
    { data: data[name]!, shape, ...(dtype && { attributes: { dtype } }) },
  ]);
}

/** The attributes of a packed linear, or `undefined` where the linear is not packed. */
export function linearAttributesOf(
  group: Pick<CommittedGroup, 'arrays' | 'groupAttributes'>,
  name: string,
): LinearAttributes | undefined {
  if (!group.arrays.has(`${name}/values`)) return undefined;
  const found = group.groupAttributes(name);
  const described = encodingNamed(found.encoding)?.attributes.safeParse(found);
  const record = recordOf.safeParse(found);
  // Of what is pruned the scores are known.
  const isWhole = record.data?.keptScore !== undefined || described?.data?.group === 1;
  if (described?.success === true && record.success && isWhole) return { ...described.data, ...record.data };
  if (described === undefined && String(found.encoding).startsWith('x-'))
    throw unknownEncoding(name, found.encoding);
  throw new EsparseError('store', `linear ${name} is described in a way that this version does not know`, {
    hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`',
    context: { linear: name },
    cause: described?.error ?? record.error,
  });
}

/** An encoding that does not come with esparse has a name that says so. */
function unknownEncoding(linear: string, encoding: unknown): EsparseError {
  return new EsparseError(
    'usage',
    `linear ${linear} has the encoding ${String(encoding)}, which does not come with esparse`,
    {
      hint: '--encoding brings it: the file or package that the run was made with',
      context: { linear },
    },
  );
}

/**
 * Reads a packed linear, its checksums verified.
 *
 * @param memory - for the elements of its arrays @default new memory
 * @throws EsparseError 'store' where the block holds none of that name
 */
export async function readLinear(
  group: CommittedGroup,
  name: string,
  signal?: AbortSignal,
  memory?: (bytes: number) => Uint8Array,
): Promise<StoredLinear> {
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined) throw new EsparseError('store', `the block holds no packed linear ${name}`);
  const encoding = encodingOf(attributes);
  // Reading comes with the checksums; what unpacks the linear checks that the arrays fit each other.
  const read = Object.entries(encoding.arrays(attributes)).map(
    async ([array, { type }]) =>
      [array, (await group.readAs(`${name}/${array}`, type, signal, memory)).data] as const,
  );
  return encoding.linear(attributes, Object.fromEntries(await Promise.all(read)));
}

/** Bytes of its values, indices and scales: what a product reads. */
export function linearBytes(linear: StoredLinear): number {
  return weightArrays(linear).reduce((bytes, { byteLength }) => bytes + byteLength, 0);
}

/** Gives back the memory of a linear's arrays. */
export function freeLinear(linear: StoredLinear): void {
  for (const array of weightArrays(linear)) free(array as Uint8Array);
}

/** Its arrays but for the order of its inputs. */
function weightArrays(linear: StoredLinear): EncodedData[string][] {
  return Object.entries(encodingOf(linear).data(linear)).flatMap(([name, array]) =>
    name === PERMUTATION ? [] : [array],
  );
}

/** A packed linear as a dense f32 matrix (rows x cols) in the original column order. */
export async function readLinearF32(
  group: CommittedGroup,
  name: string,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const packed = await readLinear(group, name, signal);
  const dense = await encodingOf(packed).unpackToF32(packed);
  freeLinear(packed);
  return dense;
}
