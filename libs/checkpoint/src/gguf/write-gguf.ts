import { EsparseError } from '@esparse/errors';
import type { FilePart } from '@esparse/storage';
import { tensorToF32 } from '../convert.ts';
import { bytesPerElement, elementCount, type TensorDtype } from '../tensor-info.ts';
import type { TokenizerFile } from '../tokenizer-files.ts';
import { bytesOf } from '../views.ts';
import { ARCHITECTURES, FIELDS, ROPE_FACTORS, tensorNames, type NamedTensor } from './architectures.ts';
import { ggufModel, withRopeFactors } from './model.ts';
import { BLOCK_ELEMENTS, blockBytes, ggufTypeOf, toBlocks, type GgufBlocks } from './quantized.ts';
import { toGguf } from './row-transforms.ts';
import { ggufHeaderBytes, padding, type GgufEntry, type TensorToList } from './write-header.ts';
import { tokenizerMetadata } from './write-tokenizer.ts';

/** A tensor of a checkpoint. */
export interface GgufTensorSource {
  /** Hugging Face's. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  /** Its bytes, row-major and little-endian. */
  readonly read: (signal?: AbortSignal) => Promise<Uint8Array>;
  /** The same as whole numbers with scales, where blocks of ggml hold it exactly: so it is written then. */
  readonly blocks?: GgufBlockSource | undefined;
}

/** A matrix of whole numbers of which 32 in a row share a scale. */
export interface GgufBlockSource {
  readonly type: GgufBlocks;
  /** Numbers, row-major, and the bits of a scale in half precision for each 32. */
  readonly read: (signal?: AbortSignal) => Promise<{
    readonly integers: Int8Array;
    readonly scales: Uint16Array;
  }>;
}

export interface GgufOptions {
  /** ggml's name of the architecture: a key of `ARCHITECTURES`. */
  readonly architecture: string;
  /** config.json, with the fields and in the form in which `ggufModel` gives them. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What rotary frequencies are divided by, one for each pair. @default ones */
  readonly ropeFactors?: readonly number[] | undefined;
  /** See `tokenizerFiles`. */
  readonly tokenizer: readonly TokenizerFile[];
  /** Matrices keep their types, or are blocks where they have some; vectors become f32, as llama.cpp wants them. */
  readonly tensors: readonly GgufTensorSource[];
}

/** A file piece by piece: sizes are known before the bytes are. */
export interface GgufFile {
  readonly parts: readonly FilePart[];
  /** The config.json that whoever reads the file makes of it. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** `general.file_type`: which type most matrices have, by llama.cpp's numbers. */
const FILE_TYPES: Readonly<Record<TensorDtype | GgufBlocks, number>> = {
  ...{ F32: 0, F16: 1, BF16: 32 },
  ...{ Q4_0: 2, Q8_0: 7 },
};

/**
 * A model as a GGUF file: the header first, then a tensor at a time.
 * @throws EsparseError 'unsupported' for a tensor or a tokenizer that GGUF's architecture has no place for
 */
export function ggufFile(options: GgufOptions): GgufFile {
  const { architecture, config } = options;
  const names = namesOf(options);
  const tensors = [
    ...options.tensors.map((tensor) => converted(tensor, names(tensor.name))),
    ...ropeTensor(options.ropeFactors),
  ];
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { type: 'text', value: architecture }],
    ['general.type', { type: 'text', value: 'model' }],
    ['general.file_type', { type: 'u32', value: FILE_TYPES[mostFrequent(options.tensors)] }],
    ...configMetadata(architecture, config),
    ...tokenizerMetadata({ files: options.tokenizer, config, vocab: Number(config.vocab_size) }),
  ]);
  const head = ggufHeaderBytes(metadata, tensors);
  return {
    parts: [{ bytes: head.length, read: () => Promise.resolve(head) }, ...tensors.map(padded)],
    config: readBack(metadata, tensors, options.ropeFactors),
  };
}

/** A tensor as the file has it. */
interface WrittenTensor extends TensorToList, FilePart {}

function namesOf({ architecture, config }: GgufOptions): (name: string) => NamedTensor {
  const known = ARCHITECTURES.get(architecture);
  if (known === undefined) throw new EsparseError('internal', `no architecture '${architecture}' of GGUF`);
  const named = tensorNames(known, {
    blocks: Number(config.num_hidden_layers),
    heads: Number(config.num_attention_heads),
    kvHeads: Number(config.num_key_value_heads),
  });
  const byName = new Map(named.map((tensor) => [tensor.name, tensor]));
  return (name) => {
    const found = byName.get(name);
    if (found !== undefined) return found;
    throw new EsparseError(
      'unsupported',
      `tensor ${name} has no place in a GGUF file of the architecture '${architecture}'`,
      { hint: 'export it as safetensors', context: { tensor: name } },
    );
  };
}

function converted(tensor: GgufTensorSource, named: NamedTensor): WrittenTensor {
  const { shape, dtype, read, blocks } = tensor;
  const { source, transform } = named;
  if (blocks !== undefined) return inBlocks(tensor, blocks, named);
  const isVector = shape.length === 1;
  const to = isVector ? 'F32' : dtype;
  const rowBytes = (isVector ? 1 : shape.at(-1)!) * bytesPerElement(to);
  return {
    name: source,
    shape,
    type: ggufTypeOf(to),
    bytes: elementCount(shape)! * bytesPerElement(to),
    async read(signal) {
      const stored = await read(signal);
      const bytes = isVector ? bytesOf(await tensorToF32(dtype, stored)) : stored;
      const perHead = transform?.kind === 'paired' ? shape[0]! / transform.heads : 1;
      return toGguf(bytes, transform, { dtype: to, perHead, rowBytes });
    },
  };
}

/** A matrix in blocks, row by row. */
function inBlocks(
  { name, shape, dtype }: GgufTensorSource,
  { type, read }: GgufBlockSource,
  { source, transform }: NamedTensor,
): WrittenTensor {
  const [rows, cols] = [shape[0]!, shape.at(-1)!];
  if (shape.length !== 2 || cols % BLOCK_ELEMENTS !== 0)
    throw new EsparseError('internal', `${name} has no rows of whole blocks`);
  const rowBytes = blockBytes(type, cols);
  return {
    ...{ name: source, shape, type: ggufTypeOf(type), bytes: rows * rowBytes },
    async read(signal) {
      const { integers, scales } = await read(signal);
      const perHead = transform?.kind === 'paired' ? rows / transform.heads : 1;
      return toGguf(toBlocks(type, integers, scales), transform, { dtype, perHead, rowBytes });
    },
  };
}

/** The type that most matrices have. */
function mostFrequent(tensors: readonly GgufTensorSource[]): TensorDtype | GgufBlocks {
  const dtypes = tensors
    .filter(({ shape }) => shape.length > 1)
    .map(({ dtype, blocks }) => blocks?.type ?? dtype);
  const countOf = (dtype: TensorDtype | GgufBlocks) => dtypes.filter((one) => one === dtype).length;
  return dtypes.reduce((best, dtype) => (countOf(dtype) > countOf(best) ? dtype : best), dtypes[0] ?? 'F32');
}

function ropeTensor(factors: readonly number[] | undefined): WrittenTensor[] {
  if (factors === undefined) return [];
  const bytes = bytesOf(Float32Array.from(factors));
  return [
    {
      name: ROPE_FACTORS,
      shape: [factors.length],
      type: ggufTypeOf('F32'),
      bytes: bytes.length,
      read: () => Promise.resolve(bytes),
    },
  ];
}

/** A tensor, filled up to where the next one may begin. */
function padded({ bytes, read }: WrittenTensor): FilePart {
  const behind = padding(bytes);
  if (behind === 0) return { bytes, read };
  return {
    bytes: bytes + behind,
    read: async (signal) => Buffer.concat([await read(signal), Buffer.alloc(behind)]),
  };
}

/** The fields of config.json under the architecture's prefix. */
function configMetadata(architecture: string, config: GgufOptions['config']): [string, GgufEntry][] {
  const fields = [...FIELDS, ...(ARCHITECTURES.get(architecture)?.fields ?? [])];
  const numbers = fields.map(
    ({ key, field, type }) => [key, { type, value: Number(config[field]) }] as const,
  );
  const entries: (readonly [string, GgufEntry])[] = [
    ...numbers,
    // llama.cpp asks for it beside that of keys; here the two are the same.
    ['attention.value_length', { type: 'u32', value: Number(config.head_dim) }],
    ['vocab_size', { type: 'u32', value: Number(config.vocab_size) }],
    ...ropeMetadata(config.rope_scaling),
  ];
  return entries.map(([key, entry]) => [`${architecture}.${key}`, entry]);
}

/** The inverse of what is read as `rope_scaling`. */
function ropeMetadata(scaling: unknown): [string, GgufEntry][] {
  if (scaling === undefined) return [];
  const { rope_type, factor, original_max_position_embeddings: original } = scaling as RopeScaling;
  const entries: [string, GgufEntry][] = [
    ['rope.scaling.type', { type: 'text', value: rope_type }],
    ['rope.scaling.factor', { type: 'f32', value: factor }],
  ];
  if (original !== undefined) {
    entries.push(['rope.scaling.original_context_length', { type: 'u32', value: original }]);
  }
  return entries;
}

/** As `ggufModel` gives it. */
interface RopeScaling {
  readonly rope_type: string;
  readonly factor: number;
  readonly original_max_position_embeddings?: number;
}

function readBack(
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: readonly WrittenTensor[],
  ropeFactors: readonly number[] | undefined,
): Readonly<Record<string, unknown>> {
  const header = {
    metadata: new Map([...metadata].map(([key, { value }]) => [key, value])),
    tensors: new Map(tensors.map((tensor) => [tensor.name, { ...tensor, offset: 0 }])),
    dataBegin: 0,
  };
  const { config } = ggufModel(header, 'the GGUF file');
  return ropeFactors === undefined ? config : withRopeFactors(config, ropeFactors);
}
