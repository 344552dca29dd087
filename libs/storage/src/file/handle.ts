import { EsparseError } from '@esparse/errors';
import { readSync } from 'node:fs';
import { constants, open, type FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { ByteSource, Piece } from '../byte-source.ts';
import { throwIfCancelled } from '../cancel.ts';
import { onFile } from './errors.ts';

/** Bytes asked of the system at once: below its limit of 2 GiB, and few enough to notice a cancellation soon. */
const READ_BYTES = 32 * 1024 * 1024;

/** Opens a regular file for reading; anything else (a pipe, a device, a folder) is refused without waiting. */
export async function openFile(file: string): Promise<ByteSource> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new EsparseError('store', `${file} is not a regular file`);
    return {
      size: status.size,
      readInto: (offset, target, signal) =>
        onFile('read', file, () => readFully({ file, handle }, offset, target, signal)),
      readPieces: (pieces, signal) => onFile('read', file, () => readShort({ file, handle }, pieces, signal)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Bytes of short pieces that are read before other work can run: less than a millisecond where they are in memory. */
const TURN_BYTES = 1024 * 1024;

/** Each by a call of its own on this thread: to hand one to another thread and back takes ten times as long as to copy a few KiB. */
async function readShort(
  { file, handle }: { readonly file: string; readonly handle: FileHandle },
  pieces: readonly Piece[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let turn = 0;
  for (const { offset, target } of pieces) {
    if (turn >= TURN_BYTES) {
      await setImmediate();
      throwIfCancelled(signal, `reading ${file}`);
      turn = 0;
    }
    turn += target.byteLength;
    for (let done = 0; done < target.byteLength;) {
      const bytesRead = readSync(handle.fd, target, done, target.byteLength - done, offset + done);
      if (bytesRead === 0) return false;
      done += bytesRead;
    }
  }
  return true;
}

/** One system call may give fewer bytes than were asked for, and gives none at the end of the file. */
async function readFully(
  { file, handle }: { readonly file: string; readonly handle: FileHandle },
  offset: number,
  target: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let done = 0;
  while (done < target.byteLength) {
    throwIfCancelled(signal, `reading ${file}`);
    const length = Math.min(target.byteLength - done, READ_BYTES);
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
