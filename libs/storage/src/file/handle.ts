import { EsparseError } from '@esparse/errors';
import { constants, open, type FileHandle } from 'node:fs/promises';
import { onFile } from './errors.ts';
import type { ObjectHandle } from '../object-store.ts';

/** Opens a regular file for reading; anything else (a pipe, a device, a folder) is refused without waiting. */
export async function openFile(file: string): Promise<ObjectHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new EsparseError('store', `${file} is not a regular file`);
    return {
      size: status.size,
      readInto: (offset, target) => onFile('read', file, () => readFully(handle, offset, target)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** One read returns at most 2 GiB, and less where a signal interrupts it. */
async function readFully(handle: FileHandle, offset: number, target: Uint8Array): Promise<boolean> {
  let done = 0;
  while (done < target.byteLength) {
    const length = Math.min(target.byteLength - done, 2 ** 30);
    const { bytesRead } = await handle.read(target, done, length, offset + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** Writes all of `part` at the end of what was written before. */
export async function writeFully(handle: FileHandle, part: Uint8Array): Promise<void> {
  let done = 0;
  while (done < part.byteLength) {
    const { bytesWritten } = await handle.write(part, done, Math.min(part.byteLength - done, 2 ** 30));
    done += bytesWritten;
  }
}
