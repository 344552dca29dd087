import { createHash, type Hash } from 'node:crypto';
import { forEachBounded } from '@esparse/storage';
import { canonicalJson } from './json.ts';
import type { Shards } from './shards.ts';
import type { StoredTensor } from './tensor-info.ts';

/** Bytes hashed at the beginning, the middle and the end of each tensor. */
const SAMPLE_BYTES = 4096;
/** Tensors whose samples are in memory together. */
const BATCH = 64;
/** Reads under way at once. */
const READS_AT_ONCE = 8;

/**
 * The identity of a checkpoint as SHA-256, in hexadecimal: config.json in canonical form, every tensor's name, type,
 * shape and three samples of its bytes (beginning, middle, end, 4 KiB each; all bytes of a tensor of up to 12 KiB),
 * and tokenizer.json. It depends neither on the folder nor on how the tensors are spread over shards.
 *
 * Samples, since to read all of a large checkpoint only to name it would cost as much as to prune it. So two
 * checkpoints that differ only elsewhere in their tensors have one digest; training or fine-tuning moves every part
 * of a tensor, a hand that edits a few weights may not.
 */
export async function checkpointDigest(
  config: Readonly<Record<string, unknown>>,
  shards: Pick<Shards, 'tensors' | 'source'>,
  tokenizer: Uint8Array | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  addPart(hash, 'esparse checkpoint digest 1');
  addPart(hash, canonicalJson(config));
  const names = [...shards.tensors.keys()].sort();
  for (let from = 0; from < names.length; from += BATCH) {
    const batch = names.slice(from, from + BATCH).map((name) => shards.tensors.get(name)!);
    const samples = new Array<Uint8Array[]>(batch.length);
    await forEachBounded(batch.length, READS_AT_ONCE, async (i) => {
      samples[i] = await readSamples(shards, batch[i]!, signal);
    });
    batch.forEach((tensor, i) => {
      addPart(hash, JSON.stringify([tensor.name, tensor.dtype, tensor.shape]));
      for (const sample of samples[i]!) addPart(hash, sample);
    });
  }
  addPart(hash, tokenizer ?? 'no tokenizer');
  return hash.digest('hex');
}

/** Each part with its length before it, so that no two lists of parts hash the same bytes. */
function addPart(hash: Hash, part: string | Uint8Array): void {
  const bytes = typeof part === 'string' ? Buffer.from(part) : part;
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.byteLength));
  hash.update(length).update(bytes);
}

async function readSamples(
  shards: Pick<Shards, 'source'>,
  { file, begin, end }: StoredTensor,
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  const source = shards.source(file);
  if (end - begin <= 3 * SAMPLE_BYTES) return [await source.read(begin, end - begin, signal)];
  const middle = begin + Math.floor((end - begin - SAMPLE_BYTES) / 2);
  const samples: Uint8Array[] = [];
  for (const at of [begin, middle, end - SAMPLE_BYTES])
    samples.push(await source.read(at, SAMPLE_BYTES, signal));
  return samples;
}
