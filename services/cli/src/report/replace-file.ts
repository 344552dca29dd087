import { rename, rm, writeFile } from 'node:fs/promises';

/**
 * Writes a file whole or not at all: one of its name stays until then.
 *
 * @returns its bytes
 */
export async function replaceFile(file: string, text: string, signal: AbortSignal): Promise<number> {
  const content = Buffer.from(text);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content, { signal });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return content.length;
}
