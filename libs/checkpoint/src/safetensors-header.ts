import { EsparseError } from '@esparse/errors';
import type { CheckpointFile } from './checkpoint-file.ts';
import { isObject, parseJsonObject } from './json.ts';
import { bitsOf, elementCount, type StoredTensor } from './tensor-info.ts';

/** Longest header that is read, in bytes: the limit of the format's own reader. */
export const MAX_HEADER_BYTES = 100_000_000;
/** Most tensors in one file. The largest mixtures of experts have some 100,000 in all their shards together. */
export const MAX_TENSORS = 100_000;
/** Longest tensor name, in UTF-16 units; real ones are below 200. */
export const MAX_NAME_LENGTH = 1024;
/** Most dimensions of a tensor; no framework that writes the format has more. */
export const MAX_RANK = 64;

/** Bytes of the little-endian header length that a file starts with. */
const LENGTH_BYTES = 8;

/**
 * Reads and checks the header of a safetensors file (https://github.com/huggingface/safetensors, "Format"): an
 * 8-byte length, JSON of `name -> {dtype, shape, data_offsets}`, then the data. As the format demands, the tensors
 * cover the data exactly: no hole, no overlap, nothing after the last. All violations are `checkpoint` errors.
 *
 * @param file name of the file within `folder`; becomes `StoredTensor.file`
 * @param folder for messages
 */
export async function readSafetensorsHeader(
  source: CheckpointFile,
  file: string,
  folder: string,
  signal?: AbortSignal,
): Promise<StoredTensor[]> {
  const where = `${folder}/${file}`;
  if (source.size < LENGTH_BYTES) throw truncated(where, LENGTH_BYTES, source.size);
  const lengthBytes = await source.read(0, LENGTH_BYTES, signal);
  const headerLength = new DataView(lengthBytes.buffer, lengthBytes.byteOffset).getBigUint64(0, true);
  if (headerLength > BigInt(MAX_HEADER_BYTES)) {
    throw new EsparseError(
      'checkpoint',
      `${where} claims a header of ${String(headerLength)} bytes; the format allows ${MAX_HEADER_BYTES}`,
      { hint: 'this is not a safetensors file, or it is damaged', context: { file } },
    );
  }
  const dataBegin = LENGTH_BYTES + Number(headerLength);
  if (source.size < dataBegin) throw truncated(where, dataBegin, source.size);
  const header = await source.read(LENGTH_BYTES, Number(headerLength), signal);
  return parseSafetensorsHeader(header, { file, where, dataBegin, size: source.size });
}

interface FileFacts {
  readonly file: string;
  readonly where: string;
  /** Offset in the file of the first byte after the header. */
  readonly dataBegin: number;
  /** Bytes in the file. */
  readonly size: number;
}

function parseSafetensorsHeader(header: Uint8Array, facts: FileFacts): StoredTensor[] {
  const { where } = facts;
  const json = parseJsonObject(header, `the header of ${where}`);
  const names = Object.keys(json).filter((name) => name !== '__metadata__');
  if (names.length > MAX_TENSORS) {
    throw new EsparseError(
      'checkpoint',
      `${where} lists ${names.length} tensors; the limit is ${MAX_TENSORS}`,
    );
  }
  checkMetadata(json.__metadata__, where);
  const tensors = names.map((name) => parseEntry(name, json[name], facts));
  checkCoverage(tensors, facts);
  return tensors;
}

function checkMetadata(metadata: unknown, where: string): void {
  if (metadata === undefined) return;
  if (isObject(metadata) && Object.values(metadata).every((value) => typeof value === 'string')) return;
  throw new EsparseError('checkpoint', `${where}: __metadata__ is not an object of strings`);
}

function parseEntry(name: string, entry: unknown, { file, where, dataBegin }: FileFacts): StoredTensor {
  const refuse = (why: string): never => {
    const shown = name.length > MAX_NAME_LENGTH ? `${name.slice(0, 40)}…` : name;
    throw new EsparseError('checkpoint', `${where}: tensor ${JSON.stringify(shown)} ${why}`, {
      context: { file, tensor: shown },
    });
  };
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) {
    return refuse(`has a name of ${name.length} characters; 1 to ${MAX_NAME_LENGTH} are allowed`);
  }
  if (!isObject(entry)) return refuse('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string') return refuse('has no dtype');
  if (!isSizes(shape) || shape.length > MAX_RANK) {
    return refuse(`has a shape that is not a list of at most ${MAX_RANK} whole numbers >= 0`);
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    return refuse('has data_offsets that are not two whole numbers >= 0');
  }
  const begin = offsets[0]!;
  const end = offsets[1]!;
  if (begin > end) return refuse(`begins at byte ${begin}, after its end at byte ${end}`);
  const elements = elementCount(shape);
  if (elements === undefined) return refuse(`has an impossible shape [${shape.join(', ')}]`);
  const bits = bitsOf(dtype);
  if (bits !== undefined && (elements * bits) / 8 !== end - begin) {
    return refuse(
      `is ${dtype} [${shape.join(', ')}], ${(elements * bits) / 8} bytes, but its data_offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, file, begin: dataBegin + begin, end: dataBegin + end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

/** The tensors, in the order of their bytes, must follow one another from the header to the end of the file. */
function checkCoverage(tensors: readonly StoredTensor[], { file, where, dataBegin, size }: FileFacts): void {
  const ordered = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataBegin;
  for (const { name, begin, end } of ordered) {
    if (begin !== at) {
      const why =
        begin < at ? 'overlaps the one before it' : `leaves a hole of ${begin - at} bytes before it`;
      throw new EsparseError(
        'checkpoint',
        `${where}: tensor ${JSON.stringify(name)} at byte ${begin} of the file ${why}`,
        { context: { file, tensor: name } },
      );
    }
    at = end;
  }
  if (size < at) throw truncated(where, at, size);
  if (size > at) {
    throw new EsparseError('checkpoint', `${where} has ${size - at} bytes after its last tensor`, {
      hint: 'the file is damaged or two downloads were mixed: fetch it again',
      context: { file },
    });
  }
}

function truncated(where: string, expected: number, actual: number): EsparseError {
  return new EsparseError(
    'checkpoint',
    `${where} is truncated: expected ${expected} bytes or more, found ${actual}`,
    { hint: 'the download did not finish: fetch the file again', context: { expected, actual } },
  );
}
