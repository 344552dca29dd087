import { open, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError, messageOf } from '@esparse/errors';
import { isPlainName, type ByteFolder, type ByteSource } from '../byte-source.ts';
import { throwIfCancelled } from '../cancel.ts';

/** Bytes asked of the system at once: below its 2 GiB limit, and small enough to notice a cancellation soon. */
const READ_CHUNK = 32 * 1024 * 1024;

/** The longest single read, the largest buffer of Node 20 (4 GiB). Larger tensors are read in row ranges. */
const MAX_READ_BYTES = 2 ** 32;

/** A folder of the local file system. Links are followed: the cache of `huggingface_hub` is made of them. */
export function localFolder(directory: string): ByteFolder {
  return {
    location: directory,
    async open(name) {
      if (!isPlainName(name)) {
        throw new EsparseError(
          'checkpoint',
          `${directory}: ${JSON.stringify(name)} is not a plain file name`,
        );
      }
      return openLocalFile(path.join(directory, name));
    },
  };
}

/** Opens a regular file for reading by range; `undefined` where there is none. */
export async function openLocalFile(file: string): Promise<ByteSource | undefined> {
  let handle: FileHandle | undefined;
  try {
    // Before opening: to open a named pipe would wait for its writer for ever.
    if (!(await stat(file)).isFile()) {
      throw new EsparseError('checkpoint', `${file} is not a regular file`, { context: { file } });
    }
    handle = await open(file, 'r');
    const { size } = await handle.stat();
    return localSource(file, handle, size);
  } catch (error) {
    await handle?.close();
    if (isMissing(error)) return undefined;
    throw asCheckpointError(file, error);
  }
}

function localSource(file: string, handle: FileHandle, size: number): ByteSource {
  let closed = false;
  return {
    size,
    async read(offset, length, signal) {
      if (closed) throw new EsparseError('internal', `${file} was read after it was closed`);
      if (length > MAX_READ_BYTES) {
        throw new EsparseError('unsupported', `${file}: ${length} bytes cannot be read at once`, {
          hint: `read at most ${MAX_READ_BYTES} bytes at a time, for a tensor by row ranges`,
          context: { file, offset, length },
        });
      }
      // Every byte is written below or an error is thrown, so it need not be cleared first.
      const bytes = asPlainBytes(Buffer.allocUnsafeSlow(length));
      for (let done = 0; done < length;) {
        throwIfCancelled(signal, `reading ${file}`);
        const part = await readPart(file, handle, bytes, done, offset + done);
        if (part === 0) {
          throw new EsparseError(
            'checkpoint',
            `${file} ends at byte ${offset + done}: ${length} bytes were expected from byte ${offset}`,
            { hint: 'the file was shortened while in use: fetch it again', context: { file, offset } },
          );
        }
        done += part;
      }
      return bytes;
    },
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

/** One system call; it may give fewer bytes than asked for, and 0 at the end of the file. */
async function readPart(
  file: string,
  handle: FileHandle,
  into: Uint8Array,
  at: number,
  position: number,
): Promise<number> {
  try {
    const length = Math.min(READ_CHUNK, into.byteLength - at);
    return (await handle.read(into, at, length, position)).bytesRead;
  } catch (error) {
    throw asCheckpointError(file, error);
  }
}

/** The same memory without the methods of `Buffer`, of which some (`slice`) differ from those of typed arrays. */
function asPlainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function isMissing(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function asCheckpointError(file: string, error: unknown): unknown {
  const system = typeof error === 'object' && error !== null && 'syscall' in error;
  if (!system) return error;
  return new EsparseError('checkpoint', `${file} cannot be read: ${messageOf(error)}`, {
    context: { file },
    cause: error,
  });
}
