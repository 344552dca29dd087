import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { tensorBytes, type Checkpoint } from '@esparse/checkpoint';
import { beginUse, makeRoom, writeWhole } from './cache-folder.ts';

/** Tensors of a checkpoint in files of their own, to be mapped. */
export interface TensorFiles {
  /** The file of a tensor, which holds nothing else. */
  file(tensor: string): Promise<string>;
  close(): Promise<void>;
}

export interface CachedTensorsOptions {
  /** A folder on a local disk; made where there is none. */
  readonly directory: string;
  /** The most bytes that the cache may hold. */
  readonly bytes: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies of a checkpoint's tensors on a local disk, that cannot be mapped: it is elsewhere, or does not have them as they are
 * computed with. Each is read once, by range, and mapped from then on by every process of this machine. The folder is named
 * by the checkpoint's digest, so other content has other copies; the checkpoint stays open.
 */
export async function cachedTensors(
  checkpoint: Pick<Checkpoint, 'digest' | 'info' | 'read'>,
  { directory, bytes: bound, signal }: CachedTensorsOptions,
): Promise<TensorFiles> {
  const folder = path.join(directory, checkpoint.digest);
  const use = await beginUse(folder);
  return {
    async file(tensor) {
      const bytes = tensorBytes(checkpoint.info(tensor));
      // Names of tensors are not names of files.
      const name = createHash('sha256').update(tensor).digest('hex');
      const file = path.join(folder, name);
      const found = await stat(file).catch(() => undefined);
      if (found?.isFile() !== true || found.size !== bytes) {
        await makeRoom(directory, bytes, bound);
        await writeWhole(folder, name, await checkpoint.read(tensor, signal));
      }
      return file;
    },
    close: () => use.end(),
  };
}
