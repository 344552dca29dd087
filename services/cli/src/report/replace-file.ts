import { rename, rm, writeFile } from 'node:fs/promises';
import { EsparseError, messageOf, toEsparseError } from '@esparse/errors';

/**
 * Writes a file whole or not at all: one of its name stays until then.
 *
 * @returns its bytes
 * @throws EsparseError 'usage' where nothing can be written there, 'space' where there is no room
 */
export async function replaceFile(file: string, text: string, signal: AbortSignal): Promise<number> {
  const content = Buffer.from(text);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content, { signal });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    signal.throwIfAborted();
    const known = toEsparseError(error);
    const full = known.kind === 'space';
    throw new EsparseError(full ? 'space' : 'usage', `${file} cannot be written: ${messageOf(error)}`, {
      hint: full
        ? 'free some space, or name a file on another disk by --out'
        : 'name a file in a folder that is there by --out',
      cause: error,
    });
  }
  return content.length;
}
