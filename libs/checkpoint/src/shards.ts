import { EsparseError } from '@esparse/errors';
import { forEachBounded, type ByteFolder } from '@esparse/storage';
import { openCheckpointFile, readWhole, type CheckpointFile } from './checkpoint-file.ts';
import { readSafetensorsHeader } from './safetensors-header.ts';
import { INDEX_FILE, MAX_INDEX_BYTES, parseShardIndex, SINGLE_FILE } from './shard-index.ts';
import type { StoredTensor } from './tensor-info.ts';

/** Headers read at once: hides the latency of a remote folder without many headers in memory together. */
const OPENING_AT_ONCE = 8;

/** The open files of a checkpoint and what is in them. */
export interface Shards {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Tensors that a shard holds but the index leaves out, by name: the file. */
  readonly unlisted: ReadonlyMap<string, string>;
  source(file: string): CheckpointFile;
  close(): Promise<void>;
}

/**
 * Opens `model.safetensors` or, where there is none, the shards named in the index.
 *
 * The index decides: a tensor that a shard holds but the index does not name, or names in another shard, is no part
 * of the checkpoint. (Tied weights are sometimes written twice, so to refuse would refuse sound checkpoints; the error
 * for an unlisted tensor that a model needs says where it is.) A tensor that the index names must be where it says.
 */
export async function openShards(folder: ByteFolder, signal?: AbortSignal): Promise<Shards> {
  const sources = new Map<string, CheckpointFile>();
  const close = async (): Promise<void> => {
    await Promise.all([...sources.values()].map((source) => source.close()));
  };
  try {
    const single = await openCheckpointFile(folder, SINGLE_FILE, signal);
    if (single !== undefined) sources.set(SINGLE_FILE, single);
    const index = single === undefined ? await readIndex(folder, signal) : undefined;
    const files = index === undefined ? [SINGLE_FILE] : [...new Set(index.values())].sort();
    const headers = new Array<StoredTensor[]>(files.length);
    await forEachBounded(files.length, OPENING_AT_ONCE, async (i) => {
      const file = files[i]!;
      const source = sources.get(file) ?? (await openCheckpointFile(folder, file, signal));
      if (source === undefined) {
        throw new EsparseError(
          'checkpoint',
          `${folder.location}/${INDEX_FILE} names ${file}, which is missing`,
          {
            hint: 'the download is incomplete: fetch the missing file',
            context: { file },
          },
        );
      }
      sources.set(file, source);
      headers[i] = await readSafetensorsHeader(source, file, folder.location, signal);
    });
    return { ...choose(headers.flat(), index, folder.location), source: (file) => sources.get(file)!, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readIndex(folder: ByteFolder, signal?: AbortSignal): Promise<Map<string, string>> {
  const bytes = await readWhole(folder, INDEX_FILE, MAX_INDEX_BYTES, signal);
  if (bytes === undefined) {
    throw new EsparseError('checkpoint', `${folder.location} has neither ${SINGLE_FILE} nor ${INDEX_FILE}`, {
      hint: 'give the folder of a Hugging Face checkpoint; convert other formats (.bin, .pth) to safetensors',
    });
  }
  return parseShardIndex(bytes, folder.location);
}

/** Of all stored tensors, those that the index names where it names them. */
function choose(
  stored: readonly StoredTensor[],
  index: ReadonlyMap<string, string> | undefined,
  location: string,
): Pick<Shards, 'tensors' | 'unlisted'> {
  const tensors = new Map<string, StoredTensor>();
  const unlisted = new Map<string, string>();
  for (const tensor of stored) {
    if (index === undefined || index.get(tensor.name) === tensor.file) tensors.set(tensor.name, tensor);
    else if (!index.has(tensor.name)) unlisted.set(tensor.name, tensor.file);
  }
  for (const [name, file] of index ?? []) {
    if (tensors.has(name)) continue;
    throw new EsparseError(
      'checkpoint',
      `${location}/${INDEX_FILE} places tensor ${JSON.stringify(name)} in ${file}, which does not hold it`,
      {
        hint: 'index and shards are of different revisions: fetch all of them again',
        context: { tensor: name, file },
      },
    );
  }
  return { tensors, unlisted };
}
