import { EsparseError } from '@esparse/errors';
import type { ByteFolder } from '@esparse/storage';
import { readWhole } from './checkpoint-file.ts';
import { checkpointDigest } from './digest.ts';
import { mxfp4PartsOf, partsOf, type FusedTensor } from './fused-tensor.ts';
import { openModelFolder } from './model-folder.ts';
import { GRAPH_FILE, MAX_GRAPH_BYTES } from './onnx/graph-file.ts';
import type { Branches } from './onnx/view.ts';
import { parseJsonObject } from './json.ts';
import { gatherRows, readRowRange } from './row-gather.ts';
import { openShards, type Shards } from './shards.ts';
import { isReadable, liesAsRead, type StoredTensor, type TensorInfo } from './tensor-info.ts';
import { MAX_TOKENIZER_FILE_BYTES } from './tokenizer-files.ts';

/** Longest config.json that is read, in bytes; real ones have a few thousand, with label maps some hundred thousand. */
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/** A Hugging Face checkpoint, opened: what is in it is known and checked, the weights are still on disk. */
export interface Checkpoint {
  readonly directory: string;
  /** `config.json`, parsed. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The tensors that can be read, by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** What the files list, be its type readable or not. */
  readonly names: ReadonlySet<string>;
  /** Identity of the content, SHA-256 in hexadecimal; see `checkpointDigest` for what it covers. */
  readonly digest: string;
  /**
   * Makes the parts of a tensor known as tensors of their own, where a model keeps several in one. What is known already
   * stays as it is.
   *
   * @returns the names of the tensors that hold them: itself, or blocks and scales in its place
   * @throws EsparseError 'checkpoint' where there is no such tensor, or it has another shape
   */
  split(fused: FusedTensor): readonly string[];
  /**
   * Makes a tensor known by another name, too.
   *
   * @throws EsparseError as `info`
   */
  alias(name: string, tensor: string): void;
  /** Whether there is a tensor of that name, be its type readable or not. */
  has(name: string): boolean;
  /** Throws `checkpoint` where there is no such tensor, `unsupported` where it is not BF16, F16 or F32. */
  info(name: string): TensorInfo;
  /**
   * All bytes of a tensor, in memory of their own. At most 4 GiB: larger ones are read in row ranges.
   *
   * @param into - memory for them, which is what is returned where it has their number and they lie in the file as they are read
   */
  read(name: string, signal?: AbortSignal, into?: Uint8Array): Promise<Uint8Array>;
  /** The bytes of rows `begin .. end - 1` of the first dimension. */
  readRowRange(name: string, begin: number, end: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** The bytes of some rows of a 2-D tensor, (rows.length, columns); each distinct row is read once. */
  readRows(name: string, rows: Uint32Array, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * The file that holds a tensor's elements as they are read, to be memory-mapped: they begin at `info(name).begin`. Undefined
   * where the checkpoint is not on this machine, or has the tensor transposed, among others or in blocks.
   */
  fileOf(name: string): string | undefined;
  /** Of an ONNX file: the graph without its matrices, as a file. Undefined for every other checkpoint. */
  graph(signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Closes the files once the reads under way have ended. Idempotent; a read afterwards is an error. */
  close(): Promise<void>;
}

/**
 * Opens the checkpoint at a location, a folder or what `openFolder` knows, or a GGUF or ONNX file: `config.json`, and `model.safetensors` or
 * `model.safetensors.index.json` with its shards. Reads headers and a few KiB of each tensor, never whole files.
 *
 * @param branches of an ONNX file: which branch of each If is looked into
 * @example
 * const checkpoint = await openCheckpoint('models/llama-2m');
 * const weight = await tensorToF32('BF16', await checkpoint.read('model.norm.weight'));
 */
export async function openCheckpoint(
  location: string,
  signal?: AbortSignal,
  branches?: Branches,
): Promise<Checkpoint> {
  return openCheckpointIn(await openModelFolder(location, branches), signal);
}

/** `openCheckpoint` for a checkpoint that is anywhere: a bucket, an HTTP server, memory. */
export async function openCheckpointIn(folder: ByteFolder, signal?: AbortSignal): Promise<Checkpoint> {
  const configBytes = await readWhole(folder, 'config.json', MAX_CONFIG_BYTES, signal);
  if (configBytes === undefined) {
    throw new EsparseError('checkpoint', `${folder.location} has no config.json`, {
      hint: 'give the folder of a Hugging Face checkpoint' + hubHint(folder.location),
    });
  }
  const config = Object.freeze(parseJsonObject(configBytes, `${folder.location}/config.json`));
  const tokenizer = await readWhole(folder, 'tokenizer.json', MAX_TOKENIZER_FILE_BYTES, signal);
  const shards = await openShards(folder, signal);
  try {
    const digest = await checkpointDigest(config, shards, tokenizer, signal);
    return makeCheckpoint(folder, config, shards, digest);
  } catch (error) {
    await shards.close();
    throw error;
  }
}

/** How to name a model, for what looks like a name on the Hugging Face hub, which is a folder as it stands. */
function hubHint(name: string): string {
  return /^\w[\w.-]*\/\w[\w.-]*$/.test(name) ? `; a model of the Hugging Face hub is hf:${name}` : '';
}

function makeCheckpoint(
  folder: ByteFolder,
  config: Readonly<Record<string, unknown>>,
  shards: Shards,
  digest: string,
): Checkpoint {
  const { location: directory, fileOf } = folder;
  const tensors = new Map<string, TensorInfo>();
  for (const tensor of shards.tensors.values()) if (isReadable(tensor)) tensors.set(tensor.name, tensor);
  const info = (name: string): TensorInfo => tensors.get(name) ?? failFor(name, shards, directory);
  const stored = (name: string): StoredTensor => shards.tensors.get(name) ?? failFor(name, shards, directory);
  const fileNamed = (file: string) => shards.source(file);
  const split = (fused: FusedTensor): readonly string[] => {
    const { name, mxfp4 } = fused;
    const packed = mxfp4 !== undefined && !shards.tensors.has(name) && shards.tensors.has(mxfp4.blocks);
    const parts = packed
      ? mxfp4PartsOf(fused, stored(mxfp4.blocks), stored(mxfp4.scales))
      : partsOf(fused, info(name));
    for (const part of parts) if (!shards.tensors.has(part.name)) tensors.set(part.name, part);
    return packed ? [mxfp4.blocks, mxfp4.scales] : [name];
  };
  return {
    directory,
    config,
    tensors,
    names: new Set(shards.tensors.keys()),
    digest,
    info,
    split,
    alias: (name, tensor) => void tensors.set(name, info(tensor)),
    has: (name) => shards.tensors.has(name) || tensors.has(name),
    async read(name, signal, into) {
      const tensor = info(name);
      const { begin, end, shape } = tensor;
      if (!liesAsRead(tensor)) return readRowRange(fileNamed, tensor, 0, shape[0]!, signal);
      return fileNamed(tensor.file).read(begin, end - begin, signal, into);
    },
    async readRowRange(name, begin, end, signal) {
      const tensor = info(name);
      return readRowRange(fileNamed, tensor, begin, end, signal);
    },
    async readRows(name, rows, signal) {
      const tensor = info(name);
      return gatherRows(fileNamed, tensor, rows, signal);
    },
    fileOf: (name) => (liesAsRead(info(name)) ? fileOf?.(info(name).file) : undefined),
    graph: (signal) => readWhole(folder, GRAPH_FILE, MAX_GRAPH_BYTES, signal),
    close: () => shards.close(),
  };
}

function failFor(name: string, shards: Shards, directory: string): never {
  const dtype = shards.tensors.get(name)?.dtype;
  if (dtype !== undefined) {
    throw new EsparseError(
      'unsupported',
      `${directory}: tensor ${name} is ${dtype}; BF16, F16 and F32 are read`,
      {
        hint: 'quantised checkpoints cannot be pruned: use the original one',
        context: { tensor: name, dtype },
      },
    );
  }
  const file = shards.unlisted.get(name);
  throw new EsparseError('checkpoint', `${directory} has no tensor ${name}`, {
    hint:
      file === undefined
        ? undefined
        : `${file} holds one, but model.safetensors.index.json does not list it: fetch the index again`,
    context: { tensor: name },
  });
}
