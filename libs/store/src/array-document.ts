import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { ELEMENT_BYTES, elementsOf, type ArrayDtype } from './array-types.ts';
import { TRAILER_BYTES } from './checksum.ts';
import { MAX_ARRAY_BYTES, MAX_RANK } from './limits.ts';

/** Data, then its checksum: the only codecs that we write and read. */
const CODECS = [
  { name: 'bytes', configuration: { endian: 'little' } },
  { name: 'crc32c', configuration: {} },
];

const lengths = z.array(z.int().nonnegative()).max(MAX_RANK);

/** The Zarr v3 metadata of an array as this format has it: one chunk, uncompressed, with a checksum. */
export const arrayDocumentSchema = z
  .object({
    zarr_format: z.literal(3),
    node_type: z.literal('array'),
    shape: lengths,
    data_type: z.enum(['uint8', 'uint16', 'int32', 'float32']),
    chunk_grid: z.object({
      name: z.literal('regular'),
      configuration: z.object({ chunk_shape: lengths }),
    }),
    chunk_key_encoding: z.object({
      name: z.literal('default'),
      configuration: z.object({ separator: z.literal('/') }),
    }),
    codecs: z.tuple([
      z.object({
        name: z.literal('bytes'),
        configuration: z.object({ endian: z.literal('little') }).optional(),
      }),
      z.object({ name: z.literal('crc32c') }),
    ]),
    fill_value: z.literal(0),
    attributes: z.record(z.string(), z.unknown()).default({}),
  })
  .refine((array) => isOneChunk(array.shape, array.chunk_grid.configuration.chunk_shape), {
    message: 'the array is not one chunk',
  })
  .refine((array) => elementsOf(array.shape) * ELEMENT_BYTES[array.data_type] <= MAX_ARRAY_BYTES, {
    message: `the array is larger than ${MAX_ARRAY_BYTES} bytes`,
  });
export type ArrayDocument = z.infer<typeof arrayDocumentSchema>;

/** Makes the metadata of an array, as zarrita writes it. */
export async function makeArrayDocument(
  dtype: ArrayDtype,
  shape: readonly number[],
  attributes: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  // Only who writes needs it: a reader starts 0.1 s sooner without.
  const zarr = await import('zarr');
  const written = new Map<string, Uint8Array>();
  await zarr.create(written, {
    shape: [...shape],
    chunkShape: chunkShapeOf(shape),
    dtype,
    codecs: CODECS,
    fillValue: 0,
  });
  const bytes = written.get('/zarr.json');
  if (bytes === undefined) throw new EsparseError('internal', 'zarrita wrote no metadata');
  const document = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  return { ...document, attributes };
}

/**
 * The key of an array's one chunk below the array, or undefined for an array without elements, which has none.
 */
export function chunkKeyOf(shape: readonly number[]): string | undefined {
  return elementsOf(shape) === 0 ? undefined : ['c', ...shape.map(() => '0')].join('/');
}

/** Bytes of the array's elements. */
export function payloadBytesOf(document: ArrayDocument): number {
  return elementsOf(document.shape) * ELEMENT_BYTES[document.data_type];
}

/** Bytes of the chunk object of an array that has one: elements and trailer. */
export function chunkBytesOf(document: ArrayDocument): number {
  return payloadBytesOf(document) + TRAILER_BYTES;
}

/** A chunk has at least one element along every axis, also where the array has none. */
function chunkShapeOf(shape: readonly number[]): number[] {
  return shape.map((length) => Math.max(1, length));
}

function isOneChunk(shape: readonly number[], chunkShape: readonly number[]): boolean {
  const expected = chunkShapeOf(shape);
  return (
    expected.length === chunkShape.length && expected.every((length, axis) => length === chunkShape[axis])
  );
}
