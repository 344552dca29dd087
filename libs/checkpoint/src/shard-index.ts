import { EsparseError } from '@esparse/errors';
import { isPlainName } from '@esparse/storage';
import { isObject, parseJsonObject } from './json.ts';

/** The file of a checkpoint that is not sharded. */
export const SINGLE_FILE = 'model.safetensors';
/** The table of contents of a sharded one. */
export const INDEX_FILE = 'model.safetensors.index.json';
/** Longest index that is read, in bytes: 100,000 tensors need about 10 MB. */
export const MAX_INDEX_BYTES = 100_000_000;
/** Most shards: each stays open, and a process has few thousand handles. The largest public models have below 200. */
export const MAX_SHARDS = 1000;
/** Most tensors of a checkpoint, over all its shards. */
export const MAX_INDEX_TENSORS = 1_000_000;

/**
 * Parses `model.safetensors.index.json`: tensor name to shard. File names come from outside: anything but the plain
 * name of a `.safetensors` file in the same folder is refused.
 */
export function parseShardIndex(bytes: Uint8Array, folder: string): Map<string, string> {
  const where = `${folder}/${INDEX_FILE}`;
  const { weight_map: weightMap } = parseJsonObject(bytes, where);
  if (!isObject(weightMap) || !isOfStrings(weightMap)) {
    throw new EsparseError('checkpoint', `${where} has no weight_map of tensor names to file names`);
  }
  const index = new Map(Object.entries(weightMap));
  const shards = new Set(index.values());
  for (const shard of shards) {
    if (!isPlainName(shard) || !shard.endsWith('.safetensors')) {
      throw new EsparseError(
        'checkpoint',
        `${where} names ${JSON.stringify(shard.slice(0, 255))}, which is not a .safetensors file of the same folder`,
      );
    }
  }
  if (shards.size > MAX_SHARDS || index.size > MAX_INDEX_TENSORS) {
    throw new EsparseError(
      'checkpoint',
      `${where} lists ${index.size} tensors in ${shards.size} files; the limits are ${MAX_INDEX_TENSORS} and ${MAX_SHARDS}`,
    );
  }
  return index;
}

function isOfStrings(value: Record<string, unknown>): value is Record<string, string> {
  return Object.values(value).every((each) => typeof each === 'string');
}
