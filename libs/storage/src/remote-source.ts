import { EsparseError } from '@esparse/errors';
import { forEachBounded } from './bounded.ts';
import type { ByteSource } from './byte-source.ts';
import { throwIfCancelled } from './cancel.ts';

/** Bytes of one request: a part that fails is asked for again, and several of them fill a fast connection. */
const PART_BYTES = 8 * 1024 * 1024;
/** Requests under way at once for one read. */
const PARTS_AT_ONCE = 4;
/** The longest single read, the largest buffer of Node 20 (4 GiB). Larger tensors are read in row ranges. */
const MAX_READ_BYTES = 2 ** 32;

/** One version of a file that is elsewhere. */
export interface RemoteFile {
  readonly size: number;
  /** Fills memory with the bytes from `offset`, all of them, or fails. */
  readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
}

/** A file that is elsewhere as a source: long reads are cut into parts, several of which are under way at once. */
export function remoteSource(name: string, file: RemoteFile): ByteSource {
  let closed = false;
  return {
    size: file.size,
    async read(offset, length, signal) {
      if (closed) throw new EsparseError('internal', `${name} was read after it was closed`);
      if (length > MAX_READ_BYTES) {
        throw new EsparseError('unsupported', `${name}: ${length} bytes cannot be read at once`, {
          hint: `read at most ${MAX_READ_BYTES} bytes at a time, for a tensor by row ranges`,
          context: { file: name, offset, length },
        });
      }
      if (offset + length > file.size) {
        throw new EsparseError(
          'checkpoint',
          `${name} ends at byte ${file.size}: ${length} bytes were expected from byte ${offset}`,
          { hint: 'it was not copied completely: copy it again', context: { file: name, offset } },
        );
      }
      throwIfCancelled(signal, `reading ${name}`);
      // Every byte is written below or an error is thrown, so it need not be cleared first.
      const buffer = Buffer.allocUnsafeSlow(length);
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, length);
      await forEachBounded(Math.ceil(length / PART_BYTES), PARTS_AT_ONCE, async (part) => {
        const begin = part * PART_BYTES;
        await file.readInto(offset + begin, bytes.subarray(begin, begin + PART_BYTES), signal);
      });
      return bytes;
    },
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}
