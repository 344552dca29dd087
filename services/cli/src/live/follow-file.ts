import { open } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { EsparseError, messageOf } from '@esparse/errors';

const LOOK_MS = 500;
const READ_BYTES = 1024 * 1024;
/** What is longer is no event. */
const MAX_LINE = 4 * 1024 * 1024;

/**
 * The lines of a file, and those that are added to it, until the signal aborts. A line counts once it has its end.
 *
 * @param onEnd called whenever all that there is has been read
 * @throws EsparseError 'text' where it cannot be read
 */
export async function followFile(
  file: string,
  onLine: (line: string) => void,
  { signal, onEnd }: { readonly signal: AbortSignal; readonly onEnd?: () => void },
): Promise<void> {
  let handle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    throw new EsparseError('text', `the events in ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const decoder = new TextDecoder();
    let rest = '';
    while (!signal.aborted) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, null);
      if (bytesRead === 0) {
        onEnd?.();
        await setTimeout(LOOK_MS, undefined, { signal }).catch(() => undefined);
        continue;
      }
      const lines = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n');
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) rest = '';
      for (const line of lines) if (line.length <= MAX_LINE) onLine(line);
    }
  } finally {
    await handle.close();
  }
}
