import { EsparseError } from '@esparse/errors';
import { chunkKeyOf, makeArrayDocument } from './array-document.ts';
import { assertLittleEndian, bytesOf, dtypeOf, elementsOf, type ArrayInput } from './array-types.ts';
import { checksumLarge, trailerOf } from './checksum.ts';
import { MAX_ARRAY_BYTES, MAX_RANK } from './limits.ts';

/** An array as objects: its metadata, and its chunk unless it has no elements. */
export interface EncodedArray {
  readonly document: Record<string, unknown>;
  readonly chunk: EncodedChunk | undefined;
}

/** A chunk object: the array's own memory, then the trailer; nothing is copied. */
export interface EncodedChunk {
  /** The key below the array. */
  readonly key: string;
  readonly parts: readonly Uint8Array[];
  /** CRC32C of the data, which is what the trailer says. */
  readonly crc: number;
}

/** @throws EsparseError 'usage' where shape and data do not agree, naming the array */
export async function encodeArray(input: ArrayInput, what: string): Promise<EncodedArray> {
  assertLittleEndian();
  const { data, shape } = input;
  const fault = faultOf(input);
  if (fault !== undefined) throw new EsparseError('usage', `${what} cannot be stored: ${fault}`);
  const document = await makeArrayDocument(dtypeOf(data), shape, input.attributes ?? {});
  const key = chunkKeyOf(shape);
  if (key === undefined) return { document, chunk: undefined };
  const bytes = bytesOf(data);
  const crc = await checksumLarge(bytes);
  return { document, chunk: { key, parts: [bytes, trailerOf(crc)], crc } };
}

function faultOf({ data, shape }: ArrayInput): string | undefined {
  if (shape.length > MAX_RANK) return `it has ${shape.length} dimensions, more than ${MAX_RANK}`;
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    return `its shape [${shape.join(', ')}] is not of whole numbers`;
  }
  if (elementsOf(shape) !== data.length) {
    return `its shape [${shape.join(', ')}] has ${elementsOf(shape)} elements, and its data ${data.length}`;
  }
  if (data.byteLength > MAX_ARRAY_BYTES) return `it has more than ${MAX_ARRAY_BYTES} bytes`;
  return undefined;
}
