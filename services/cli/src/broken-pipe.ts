import { EXIT_BROKEN_PIPE } from '@esparse/errors';

const listeners = new Set<() => void>();
let broken = false;

/** Whether the reader of this process's output has gone. */
export function pipeIsBroken(): boolean {
  return broken;
}

/** Calls `listener` when the reader has gone; returns a function that removes it. */
export function onBrokenPipe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Makes the command end without a message where the reader of its output has gone, such as `head` that has read enough.
 * Node ignores SIGPIPE, and its streams fail instead.
 */
export function endQuietlyOnBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      broken = true;
      process.exitCode = EXIT_BROKEN_PIPE;
      for (const listener of listeners) listener();
    });
  }
}
