import { DEFAULT_ALIGNMENT, MAGIC, VALUE_TYPES, VERSIONS } from './format.ts';

/** A value of the metadata, and the type in which it is written. */
export type GgufEntry =
  | { readonly type: 'u32' | 'f32'; readonly value: number }
  | { readonly type: 'flag'; readonly value: boolean }
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'list'; readonly of: 'i32' | 'f32'; readonly value: readonly number[] }
  | { readonly type: 'list'; readonly of: 'text'; readonly value: readonly string[] };

/** A tensor to be listed. */
export interface TensorToList {
  readonly name: string;
  /** Row-major: the last one varies fastest. */
  readonly shape: readonly number[];
  /** ggml's number of the type. */
  readonly type: number;
  readonly bytes: number;
}

/**
 * The first bytes of a GGUF file, up to where the data begins. The tensors' bytes follow in this order, each filled up to
 * a multiple of `DEFAULT_ALIGNMENT` (see `padding`).
 */
export function ggufHeaderBytes(
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: readonly TensorToList[],
): Uint8Array {
  const pieces = [u32(MAGIC), u32(VERSIONS.at(-1)!), u64(tensors.length), u64(metadata.size)];
  for (const [key, entry] of metadata) {
    pieces.push(text(key), u32(VALUE_TYPES[entry.type]), valueBytes(entry));
  }
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    pieces.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type), u64(offset));
    offset += bytes + padding(bytes);
  }
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return Buffer.concat([...pieces, Buffer.alloc(padding(bytes))]);
}

/** Bytes from a size to the next multiple of the alignment. */
export function padding(bytes: number): number {
  return (DEFAULT_ALIGNMENT - (bytes % DEFAULT_ALIGNMENT)) % DEFAULT_ALIGNMENT;
}

function valueBytes(entry: GgufEntry): Buffer {
  switch (entry.type) {
    case 'u32':
      return u32(entry.value);
    case 'f32':
      return Buffer.from(Float32Array.of(entry.value).buffer);
    case 'flag':
      return Buffer.of(entry.value ? 1 : 0);
    case 'text':
      return text(entry.value);
    case 'list':
      return Buffer.concat([u32(VALUE_TYPES[entry.of]), u64(entry.value.length), elements(entry)]);
  }
}

function elements(entry: GgufEntry & { readonly type: 'list' }): Buffer {
  if (entry.of === 'text') return Buffer.concat(entry.value.map(text));
  const values = entry.of === 'i32' ? Int32Array.from(entry.value) : Float32Array.from(entry.value);
  return Buffer.from(values.buffer);
}

/** The length in bytes, then UTF-8. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer);
}

function u64(value: number): Buffer {
  return Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
}
