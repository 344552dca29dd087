import { EsparseError } from '@esparse/errors';
import { mkdir, open, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { throwIfCancelled } from '@esparse/storage';
import { INDEX_FILE, SINGLE_FILE } from './shard-index.ts';
import { elementCount, type TensorDtype } from './tensor-info.ts';
import { safetensorsHeader, tensorBytes } from './write-safetensors-header.ts';

/** A tensor to be written. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  /** Its bytes, little-endian and row-major; asked for when it is written, so one tensor is in memory at a time. */
  readonly data: () => Uint8Array | Promise<Uint8Array>;
}

export interface WriteCheckpointOptions {
  /** Files to spread the tensors over, about equal in size, at most one per tensor. @default 1 */
  readonly shards?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a checkpoint in Hugging Face form: `model.safetensors`, or with several shards the index and its files, and
 * `config.json` last, so that a folder whose writing was interrupted does not open. Creates the directory; one that
 * already holds a config.json is a `usage` error. Streams, for models larger than memory.
 */
export async function writeCheckpoint(
  directory: string,
  config: Readonly<Record<string, unknown>>,
  tensors: Iterable<TensorToWrite>,
  { shards = 1, signal }: WriteCheckpointOptions = {},
): Promise<void> {
  const all = [...tensors];
  checkTensors(all);
  if (!Number.isInteger(shards) || shards < 1) {
    throw new EsparseError('usage', `shards is ${shards}; it must be a whole number >= 1`);
  }
  await mkdir(directory, { recursive: true });
  await refuseExisting(path.join(directory, 'config.json'));
  // What an interrupted writing may have left, and would be opened in preference to what is written now.
  await Promise.all([SINGLE_FILE, INDEX_FILE].map((file) => rm(path.join(directory, file), { force: true })));

  const groups = spread(all, shards);
  const weightMap: [string, string][] = [];
  for (const [i, group] of groups.entries()) {
    const file = groups.length === 1 ? SINGLE_FILE : shardName(i + 1, groups.length);
    await writeSafetensors(path.join(directory, file), group, signal);
    for (const { name } of group) weightMap.push([name, file]);
  }
  if (groups.length > 1) {
    const metadata = { total_size: all.reduce((sum, tensor) => sum + tensorBytes(tensor), 0) };
    await writeJson(path.join(directory, INDEX_FILE), {
      metadata,
      weight_map: Object.fromEntries(weightMap),
    });
  }
  await writeJson(path.join(directory, 'config.json'), config);
}

async function writeSafetensors(
  file: string,
  tensors: readonly TensorToWrite[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await writeAll(handle, safetensorsHeader(tensors));
    for (const tensor of tensors) {
      throwIfCancelled(signal, `writing ${file}`);
      const data = await tensor.data();
      const expected = tensorBytes(tensor);
      if (data.byteLength !== expected) {
        throw new EsparseError(
          'usage',
          `tensor ${tensor.name} is ${tensor.dtype} [${tensor.shape.join(', ')}], ${expected} bytes, but has ${data.byteLength}`,
          { context: { tensor: tensor.name } },
        );
      }
      await writeAll(handle, data);
    }
  } finally {
    await handle.close();
  }
}

/** A write may take fewer bytes than given, above 2 GiB it always does. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  const chunk = 2 ** 30;
  for (let at = 0; at < bytes.byteLength;) {
    at += (await handle.write(bytes, at, Math.min(chunk, bytes.byteLength - at))).bytesWritten;
  }
}

/** Consecutive groups of about the same number of bytes, none empty (but the only one). */
function spread(tensors: readonly TensorToWrite[], shards: number): TensorToWrite[][] {
  const count = Math.max(1, Math.min(shards, tensors.length));
  const total = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const groups: TensorToWrite[][] = [[]];
  let written = 0;
  for (const [i, tensor] of tensors.entries()) {
    const full = written >= (total * groups.length) / count;
    const needed = tensors.length - i === count - groups.length;
    const open = groups.at(-1)!;
    if (open.length > 0 && groups.length < count && (full || needed)) groups.push([tensor]);
    else open.push(tensor);
    written += tensorBytes(tensor);
  }
  return groups;
}

function checkTensors(tensors: readonly TensorToWrite[]): void {
  const names = new Set<string>();
  for (const { name, shape } of tensors) {
    if (names.has(name)) throw new EsparseError('usage', `two tensors are named ${name}`);
    if (name === '__metadata__' || name === '')
      throw new EsparseError('usage', `no tensor can be named "${name}"`);
    if (
      !shape.every((size) => Number.isSafeInteger(size) && size >= 0) ||
      elementCount(shape) === undefined
    ) {
      throw new EsparseError('usage', `tensor ${name} has an impossible shape [${shape.join(', ')}]`);
    }
    names.add(name);
  }
}

/** The name of one of several files of a checkpoint, counted from 1. */
export function shardName(number: number, count: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return `model-${digits(number)}-of-${digits(count)}.safetensors`;
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}

async function refuseExisting(file: string): Promise<void> {
  if ((await stat(file).catch(() => undefined)) === undefined) return;
  throw new EsparseError('usage', `${file} exists: a checkpoint is never overwritten`, {
    hint: 'choose another directory, or remove this one',
  });
}
