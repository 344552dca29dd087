/** Some bytes of a source, and the memory that they go to. */
export interface Piece {
  readonly offset: number;
  readonly target: Uint8Array;
}

/** One version of a file or an object, open to be read by range: the same type for whatever is stored anywhere. */
export interface ByteSource {
  /** Bytes in it when it was opened. */
  readonly size: number;
  /**
   * Fills `target` with the bytes from `offset`.
   *
   * @returns false where it ends too early
   * @throws EsparseError 'store' where it was replaced since it was opened, or cannot be read
   */
  readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<boolean>;
  /**
   * The same of many short pieces, where they can be had without waiting for each. @default each is read by `readInto`
   */
  readonly readPieces?: (pieces: readonly Piece[], signal?: AbortSignal) => Promise<boolean>;
  close(): Promise<void>;
}

/** A flat folder of files: the one thing a checkpoint needs of a file system, a bucket or a server. */
export interface ByteFolder {
  /** How messages name it. */
  readonly location: string;
  /** Opens a file by its plain name (see `isPlainName`); `undefined` where there is none. */
  open(name: string, signal?: AbortSignal): Promise<ByteSource | undefined>;
  /** Memory mapping. The path of a file, by its plain name. Absent where the files are not local. */
  readonly fileOf?: (name: string) => string;
}

/** Whether a name can only mean a file of the folder itself: no separator, drive, `..`, control or empty name. */
export function isPlainName(name: string): boolean {
  return name.length <= 255 && /^[^/\\:\p{Cc}]+$/u.test(name) && name !== '.' && name !== '..';
}
