import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { UNREAD_TIMEOUT_MS } from '../limits.ts';
import type { ErrorAnswer } from './error-answer.ts';

/**
 * Sends an answer as server-sent events, as fast as its client reads: while the connection is full nothing is read
 * from the answer, which is buffered, within its bound. An error after the headers is an event of its own.
 */
export async function sendEvents(
  response: ServerResponse,
  chunks: AsyncIterable<readonly object[]>,
  describe: (thrown: unknown) => ErrorAnswer,
): Promise<void> {
  let end = 'data: [DONE]\n\n';
  try {
    for await (const together of chunks) {
      if (response.destroyed) return;
      const text = together.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('');
      if (!response.write(text)) await drained(response);
    }
  } catch (error) {
    if (response.destroyed) return;
    end = `data: ${JSON.stringify(describe(error).body)}\n\n`;
  }
  response.end(end);
}

/** A client that reads nothing for long is cut off: the loop above then ends and cancels what runs. */
async function drained(response: ServerResponse): Promise<void> {
  const timer = setTimeout(() => response.destroy(), UNREAD_TIMEOUT_MS);
  try {
    const settled = new AbortController();
    const { signal } = settled;
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]).finally(
      () => {
        settled.abort();
      },
    );
  } catch {
    // An error of the connection: it is closed, and the loop sees that.
  } finally {
    clearTimeout(timer);
  }
}
