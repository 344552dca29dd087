import { EsparseError } from '@esparse/errors';
import { throwIfCancelled, type ByteFolder, type ByteSource } from '@esparse/storage';
import { openCheckpointFile, type CheckpointFile } from '../checkpoint-file.ts';
import { memorySource } from '../memory-source.ts';
import { safetensorsHeader } from '../write-safetensors-header.ts';
import { ggufModel, withRopeFactors, type GgufModel } from './model.ts';
import { readGgufHeader, type GgufHeader } from './header.ts';
import { GGUF_TYPES } from './quantized.ts';
import { readableTensors, type ReadableTensor } from './tensors.ts';
import { ggufTokenizer } from './tokenizer.ts';

/** Bytes of a tensor that are made at once. */
const PIECE_BYTES = 4 << 20;

/**
 * A GGUF file as the folder of the Hugging Face checkpoint that it was made from: `config.json`, the tokenizer's files and
 * `model.safetensors` are made of it as they are read, so that nothing else knows of the format. Quantized blocks become
 * bf16 range by range, never the whole model.
 *
 * @throws EsparseError 'checkpoint' or 'unsupported' when a file is opened, naming what is wrong
 */
export function ggufFolder(parent: ByteFolder, name: string): ByteFolder {
  const location = `${parent.location}/${name}`;
  const open = async (signal?: AbortSignal) => {
    const file = await openCheckpointFile(parent, name, signal);
    if (file !== undefined) return file;
    throw new EsparseError('checkpoint', `there is no file ${location}`);
  };
  let header: Promise<GgufHeader> | undefined;
  const headerOf = (file: CheckpointFile, signal?: AbortSignal) => {
    header ??= readGgufHeader(file, location, signal);
    // What failed may succeed another time.
    header.catch(() => (header = undefined));
    return header;
  };
  // Made once for all of its files: the vocabulary of a large model takes a while.
  let tokenizer: ReturnType<typeof ggufTokenizer> | undefined;
  return {
    location,
    async open(wanted, signal) {
      const file = await open(signal);
      try {
        const found = await headerOf(file, signal);
        if (wanted === 'model.safetensors') {
          return safetensorsOf(readableTensors(found, ggufModel(found, location), file, location), file);
        }
        const made =
          wanted === 'config.json'
            ? await configOf(found, ggufModel(found, location), file, signal)
            : (tokenizer ??= ggufTokenizer(found, location)).get(wanted);
        await file.close();
        return made === undefined ? undefined : memorySource(Buffer.from(JSON.stringify(made)));
      } catch (error) {
        await file.close();
        throw error;
      }
    },
  };
}

/** config.json, with the factors of the rotary frequencies where the file has them as a tensor. */
async function configOf(
  { tensors, dataBegin }: GgufHeader,
  { config, ropeFactors }: GgufModel,
  file: CheckpointFile,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  if (ropeFactors === undefined) return config;
  const { shape, type, offset } = tensors.get(ropeFactors)!;
  const [length] = shape;
  if (shape.length !== 1 || length === undefined || length > 4096 || GGUF_TYPES.get(type)?.name !== 'F32') {
    throw new EsparseError('checkpoint', `tensor '${ropeFactors}' is no list of F32 factors`);
  }
  const bytes = await file.read(dataBegin + offset, length * 4, signal);
  const factors = [...new Float32Array(bytes.slice().buffer)];
  return withRopeFactors(config, factors);
}

/** The safetensors file of some tensors, made as it is read. */
function safetensorsOf(tensors: readonly ReadableTensor[], file: CheckpointFile): ByteSource {
  let at = 0;
  const entries = tensors.map((tensor) => {
    const begin = at;
    at += tensor.rows * tensor.rowBytes;
    return { tensor, begin, end: at };
  });
  const head = safetensorsHeader(tensors, {});
  return {
    size: head.length + at,
    async readInto(offset, target, signal) {
      const end = offset + target.length;
      if (end > head.length + at) return false;
      if (offset < head.length) target.set(head.subarray(offset, Math.min(end, head.length)));
      for (const entry of entries) {
        const [begin, stop] = [head.length + entry.begin, head.length + entry.end];
        if (stop <= offset || begin >= end) continue;
        const range = [Math.max(offset, begin) - begin, Math.min(end, stop) - begin] as const;
        await fill(entry.tensor, range, target.subarray(begin + range[0] - offset), signal);
      }
      return true;
    },
    close: () => file.close(),
  };
}

/** Writes bytes `from .. to - 1` of a tensor to the front of `target`, a piece of whole rows at a time. */
async function fill(
  tensor: ReadableTensor,
  [from, to]: readonly [number, number],
  target: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const unitBytes = tensor.unit * tensor.rowBytes;
  const units = Math.max(1, Math.floor(PIECE_BYTES / unitBytes));
  for (let unit = Math.floor(from / unitBytes); unit * unitBytes < to; unit += units) {
    throwIfCancelled(signal, 'reading a GGUF file');
    const begin = unit * tensor.unit;
    const last = Math.ceil(to / unitBytes) * tensor.unit;
    const bytes = await tensor.read(begin, Math.min(begin + units * tensor.unit, last), signal);
    const first = begin * tensor.rowBytes;
    const piece = bytes.subarray(Math.max(from - first, 0), Math.min(to - first, bytes.length));
    target.set(piece, Math.max(first - from, 0));
  }
}
