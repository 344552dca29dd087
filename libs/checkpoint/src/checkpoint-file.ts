import { EsparseError, isEsparseError } from '@esparse/errors';
import { inHugePages } from '@esparse/kernels';
import { allocate, throwIfCancelled, type ByteFolder, type ByteSource, type Piece } from '@esparse/storage';

/** A file of a checkpoint, open: a read gives exactly what was asked for, and what is wrong with it is named. */
export interface CheckpointFile {
  /** Bytes in the file when it was opened. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`, in memory of their own; fewer is a `checkpoint` error.
   *
   * @param into - memory for them, which is returned where it has that size
   */
  read(offset: number, length: number, signal?: AbortSignal, into?: Uint8Array): Promise<Uint8Array>;
  /** Reads many short pieces, where that takes less than to read each by `read`. */
  readonly readPieces: ((pieces: readonly Piece[], signal?: AbortSignal) => Promise<void>) | undefined;
  close(): Promise<void>;
}

/** The longest single read, the largest buffer of Node 20 (4 GiB). Larger tensors are read in row ranges. */
const MAX_READ_BYTES = 2 ** 32;

/** Opens a file of a checkpoint's folder; `undefined` where there is none. */
export async function openCheckpointFile(
  folder: ByteFolder,
  name: string,
  signal?: AbortSignal,
): Promise<CheckpointFile | undefined> {
  const source = await folder.open(name, signal).catch(asCheckpointError);
  return source && exactReads(`${folder.location}/${name}`, source);
}

/** All bytes of a file that is expected to be small; `undefined` where there is none, an error above `limit`. */
export async function readWhole(
  folder: ByteFolder,
  name: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const file = await openCheckpointFile(folder, name, signal);
  if (file === undefined) return undefined;
  try {
    if (file.size > limit) {
      throw new EsparseError(
        'checkpoint',
        `${folder.location}/${name} has ${file.size} bytes; at most ${limit} are read of such a file`,
        { hint: 'this is not a file as Hugging Face libraries write it', context: { file: name } },
      );
    }
    return await file.read(0, file.size, signal);
  } finally {
    await file.close();
  }
}

function exactReads(file: string, source: ByteSource): CheckpointFile {
  let closed = false;
  const requireOpen = (signal: AbortSignal | undefined) => {
    if (closed) throw new EsparseError('internal', `${file} was read after it was closed`);
    throwIfCancelled(signal, `reading ${file}`);
  };
  const requireInside = (offset: number, length: number) => {
    if (offset + length <= source.size) return;
    throw new EsparseError(
      'checkpoint',
      `${file} ends at byte ${source.size}: ${length} bytes were expected from byte ${offset}`,
      { hint: 'it was not copied completely: copy it again', context: { file, offset } },
    );
  };
  const becameShorter = (offset: number, length: number) =>
    new EsparseError(
      'checkpoint',
      `${file} became shorter: ${length} bytes were expected from byte ${offset}`,
      { hint: 'the file was shortened while in use: fetch it again', context: { file, offset } },
    );
  const { readPieces } = source;
  return {
    size: source.size,
    async read(offset, length, signal, into) {
      requireOpen(signal);
      if (length > MAX_READ_BYTES) {
        throw new EsparseError('unsupported', `${file}: ${length} bytes cannot be read at once`, {
          hint: `read at most ${MAX_READ_BYTES} bytes at a time, for a tensor by row ranges`,
          context: { file, offset, length },
        });
      }
      requireInside(offset, length);
      const bytes = into?.byteLength === length ? into : inHugePages(allocate(length));
      if (await source.readInto(offset, bytes, signal).catch(asCheckpointError)) return bytes;
      throw becameShorter(offset, length);
    },
    readPieces:
      readPieces &&
      (async (pieces, signal) => {
        requireOpen(signal);
        for (const { offset, target } of pieces) requireInside(offset, target.byteLength);
        if (await readPieces(pieces, signal).catch(asCheckpointError)) return;
        const { offset, target } = pieces[0]!;
        throw becameShorter(offset, target.byteLength);
      }),
    async close() {
      if (closed) return;
      closed = true;
      await source.close();
    },
  };
}

/** What is wrong with a stored file is wrong with the checkpoint, here. */
function asCheckpointError(error: unknown): never {
  if (!isEsparseError(error) || error.kind !== 'store') throw error;
  const { message, hint, context } = error;
  throw new EsparseError('checkpoint', message, { hint, context, cause: error });
}
