import { EsparseError } from '@esparse/errors';

/** The bytes of one file, wherever they are, read by range. */
export interface ByteSource {
  /** Bytes in the file when it was opened. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`, in memory of their own; fewer is a `checkpoint` error. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A flat folder of files: the one thing a checkpoint needs of a file system, or of a bucket. */
export interface ByteFolder {
  /** How messages name it. */
  readonly location: string;
  /** Opens a file by its plain name (see `isPlainName`); `undefined` where there is none. */
  open(name: string): Promise<ByteSource | undefined>;
}

/** Whether a name can only mean a file of the folder itself: no separator, drive, `..`, control or empty name. */
export function isPlainName(name: string): boolean {
  return name.length <= 255 && /^[^/\\:\p{Cc}]+$/u.test(name) && name !== '.' && name !== '..';
}

/** All bytes of a file that is expected to be small; `undefined` where there is none, an error above `limit`. */
export async function readWhole(
  folder: ByteFolder,
  name: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const source = await folder.open(name);
  if (source === undefined) return undefined;
  try {
    if (source.size > limit) {
      throw new EsparseError(
        'checkpoint',
        `${folder.location}/${name} has ${source.size} bytes; at most ${limit} are read of such a file`,
        { hint: 'this is not a file as Hugging Face libraries write it', context: { file: name } },
      );
    }
    return await source.read(0, source.size, signal);
  } finally {
    await source.close();
  }
}
