import { open, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { throwIfCancelled } from '../cancel.ts';
import { OWN_PREFIX } from '../key.ts';
import { isAbsent, onFile } from './errors.ts';
import { writeFully } from './handle.ts';
import { makeFolders } from './make-folders.ts';

/** A piece of a file whose size is known before its bytes are. */
export interface FilePart {
  readonly bytes: number;
  /** Asked for when it is written, so that one part is in memory at a time. The same bytes each time. */
  readonly read: (signal?: AbortSignal) => Promise<Uint8Array>;
}

export interface WriteInPartsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of each part that is there; those of an earlier attempt come first. */
  readonly onWritten?: (bytes: number) => void;
}

/**
 * Writes a file part by part under a temporary name beside it, and renames it when it is whole and on the disk. What an
 * attempt that was cut off has left is gone on with, behind its last whole part: parts are the same each time.
 *
 * @throws EsparseError 'space' naming file and bytes where the disk is full
 */
export async function writeInParts(
  file: string,
  parts: readonly FilePart[],
  { signal, onWritten }: WriteInPartsOptions = {},
): Promise<void> {
  const temporary = temporaryOf(file);
  await onFile('make', path.dirname(file), () => makeFolders(path.dirname(file)));
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  let left = total;
  await onFile(
    'write',
    file,
    () => write(temporary, parts),
    () => left,
  );

  async function write(target: string, all: readonly FilePart[]): Promise<void> {
    const handle = await open(target, 'a');
    try {
      const { size } = await handle.stat();
      let at = 0;
      let next = 0;
      for (; next < all.length && at + all[next]!.bytes <= size; next++) {
        at += all[next]!.bytes;
        onWritten?.(all[next]!.bytes);
      }
      await handle.truncate(at);
      left = total - at;
      for (const part of all.slice(next)) {
        throwIfCancelled(signal, `writing ${file}`);
        const bytes = await part.read(signal);
        if (bytes.byteLength !== part.bytes) {
          const facts = `${bytes.byteLength} bytes instead of ${part.bytes}`;
          throw new EsparseError('internal', `${file}: a part has ${facts}`);
        }
        await writeFully(handle, bytes);
        left -= part.bytes;
        onWritten?.(part.bytes);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(target, file);
  }
}

/** Bytes of a file that are there: of the whole one, or of an attempt that was cut off; 0 where there is neither. */
export async function bytesInParts(
  file: string,
): Promise<{ readonly bytes: number; readonly whole: boolean }> {
  for (const [name, whole] of [
    [file, true],
    [temporaryOf(file), false],
  ] as const) {
    const found = await onFile('read', name, () =>
      stat(name).catch((error: unknown) => {
        if (isAbsent(error)) return undefined;
        throw error;
      }),
    );
    if (found !== undefined) return { bytes: found.size, whole };
  }
  return { bytes: 0, whole: false };
}

function temporaryOf(file: string): string {
  return path.join(path.dirname(file), `${OWN_PREFIX}part-${path.basename(file)}`);
}
