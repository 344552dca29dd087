import { EsparseError } from '@esparse/errors';
import type { CheckpointFile } from '../checkpoint-file.ts';
import { DEFAULT_ALIGNMENT, MAGIC, NUMBER_TYPES, VALUE_TYPES, VERSIONS } from './format.ts';

/** A value of a GGUF file's metadata. 64-bit numbers are exact up to 2^53. */
export type GgufValue =
  string | number | boolean | readonly string[] | readonly number[] | readonly boolean[];

/** A tensor as the file lists it. */
export interface GgufTensor {
  readonly name: string;
  /** Row-major as everywhere here: the last one varies fastest. (The file has them the other way round.) */
  readonly shape: readonly number[];
  /** ggml's number of the type. */
  readonly type: number;
  /** Byte offset from where the data begins. */
  readonly offset: number;
}

/** What a GGUF file says before its data. */
export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Byte offset of the data. */
  readonly dataBegin: number;
}

/** What is read first; more only where the header is longer. */
const FIRST_BYTES = 4 << 20;
/** Vocabulary, merges and scores of a quarter of a million tokens take some 20 MB. */
const MAX_HEADER_BYTES = 256 << 20;
/** Entries of metadata and of an array, and tensors; the largest public models have some thousands of tensors. */
const MAX_ENTRIES = 4096;
const MAX_ARRAY = 2 << 20;
const MAX_TENSORS = 1 << 17;
const MAX_DIMENSIONS = 4;
const MAX_ALIGNMENT = 1 << 20;

/**
 * Reads the header of a GGUF file.
 * @param name how messages call the file
 * @throws EsparseError 'checkpoint' for what is none, 'unsupported' for a version that is not known
 */
export async function readGgufHeader(
  file: CheckpointFile,
  name: string,
  signal?: AbortSignal,
): Promise<GgufHeader> {
  const most = Math.min(file.size, MAX_HEADER_BYTES);
  for (let length = Math.min(FIRST_BYTES, most); ; length = Math.min(length * 4, most)) {
    const reader = new Reader(await file.read(0, length, signal), name);
    try {
      return parse(reader);
    } catch (error) {
      if (!(error instanceof EndOfBytes)) throw error;
      if (length === most) throw reader.wrong('its header ends in the middle: it was not copied completely');
    }
  }
}

/** The bytes that were read end before the header does. */
class EndOfBytes extends Error {}

class Reader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #name: string;
  #at = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
  }

  get at(): number {
    return this.#at;
  }

  wrong(what: string, hint = 'fetch the file again'): EsparseError {
    return new EsparseError('checkpoint', `${this.#name} is no GGUF file that can be read: ${what}`, {
      hint,
    });
  }

  /** A whole number that counts something, at most `most`. */
  count(what: string, most: number): number {
    const value = this.number(VALUE_TYPES.u64);
    if (value > most) throw this.wrong(`it says that it has ${value} ${what}, more than ${most}`);
    return value;
  }

  string(): string {
    const length = this.number(VALUE_TYPES.u64);
    if (length > MAX_HEADER_BYTES) throw this.wrong(`it has a text of ${length} bytes`);
    return Buffer.from(this.#take(length)).toString('utf8');
  }

  /** A number or truth value of a type of the metadata. */
  scalar(type: number): number | boolean {
    if (type !== VALUE_TYPES.flag) return this.number(type);
    return this.#take(1)[0] !== 0;
  }

  number(type: number): number {
    const read = NUMBER_TYPES.get(type);
    if (read === undefined) throw this.wrong(`it has a value of the type ${type}, which is not known`);
    const at = this.#at;
    this.#take(read.bytes);
    return read.get(this.#view, at);
  }

  #take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new EndOfBytes();
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }
}

function parse(reader: Reader): GgufHeader {
  if (reader.number(VALUE_TYPES.u32) !== MAGIC) {
    throw reader.wrong(
      'it does not begin with GGUF',
      'give the folder of a Hugging Face checkpoint, or a GGUF file: if this is one, fetch it again',
    );
  }
  const version = reader.number(VALUE_TYPES.u32);
  if (!VERSIONS.includes(version)) {
    throw new EsparseError('unsupported', `GGUF version ${version} is not known`, {
      hint: `versions ${VERSIONS.join(' and ')}, little-endian, are`,
    });
  }
  const tensorCount = reader.count('tensors', MAX_TENSORS);
  const entries = reader.count('entries of metadata', MAX_ENTRIES);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entries; i++) {
    const key = reader.string();
    metadata.set(key, valueOf(reader, reader.number(VALUE_TYPES.u32), key));
  }
  const tensors = new Map<string, GgufTensor>();
  for (let i = 0; i < tensorCount; i++) {
    const name = reader.string();
    const dimensions = reader.number(VALUE_TYPES.u32);
    if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
      throw reader.wrong(`its tensor ${JSON.stringify(name)} has ${dimensions} dimensions`);
    }
    const shape = Array.from({ length: dimensions }, () =>
      reader.count(`elements in a row of ${JSON.stringify(name)}`, Number.MAX_SAFE_INTEGER),
    ).reverse();
    const type = reader.number(VALUE_TYPES.u32);
    const offset = reader.count('bytes of data', Number.MAX_SAFE_INTEGER);
    if (tensors.has(name)) throw reader.wrong(`it lists the tensor ${JSON.stringify(name)} twice`);
    tensors.set(name, { name, shape, type, offset });
  }
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== 'number' || alignment < 1 || alignment > MAX_ALIGNMENT) {
    throw reader.wrong(`its general.alignment is ${String(alignment)}`);
  }
  return { metadata, tensors, dataBegin: Math.ceil(reader.at / alignment) * alignment };
}

function valueOf(reader: Reader, type: number, key: string): GgufValue {
  if (type === VALUE_TYPES.text) return reader.string();
  if (type !== VALUE_TYPES.list) return reader.scalar(type);
  const element = reader.number(VALUE_TYPES.u32);
  if (element === VALUE_TYPES.list) throw reader.wrong(`${key} is an array of arrays`);
  const length = reader.count(`elements of ${key}`, MAX_ARRAY);
  // Grown one by one: a length that lies takes no memory before the bytes end.
  const values: (string | number | boolean)[] = [];
  for (let i = 0; i < length; i++) {
    values.push(element === VALUE_TYPES.text ? reader.string() : reader.scalar(element));
  }
  return values as readonly string[] | readonly number[] | readonly boolean[];
}
