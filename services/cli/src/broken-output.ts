import { EsparseError, EXIT_BROKEN_PIPE, messageOf } from '@esparse/errors';

const listeners = new Set<() => void>();
let broken = false;

/** Whether this process's output cannot be written any more: the exit code is set then, and nothing is left to say. */
export function outputIsBroken(): boolean {
  return broken;
}

/** Calls `listener` when the output cannot be written any more; returns a function that removes it. */
export function onBrokenOutput(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Makes the command end where its output cannot be written any more: without a message where the reader has gone, such as
 * `head` that has read enough (Node ignores SIGPIPE, and its streams fail instead); else with one, as of a full disk.
 *
 * @param report prints an error, and gives its exit code
 */
export function endOnBrokenOutput(report: (error: EsparseError) => number): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (broken) return;
      broken = true;
      process.exitCode = error.code === 'EPIPE' ? EXIT_BROKEN_PIPE : report(unwritable(error));
      for (const listener of listeners) listener();
    });
  }
}

function unwritable(cause: Error): EsparseError {
  return new EsparseError('space', `the output cannot be written: ${messageOf(cause)}`, {
    hint: 'free some space, or send the output elsewhere',
    cause,
  });
}
