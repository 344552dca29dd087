import { EXIT_CANCELLED, EXIT_TERMINATED, EsparseError, isEsparseError } from '@esparse/errors';
import { onBrokenOutput } from './broken-output.ts';

/** The signals that stop a command, and the exit code of a command that one of them has stopped. */
const EXIT_CODES = { SIGINT: EXIT_CANCELLED, SIGTERM: EXIT_TERMINATED } as const;

type StopSignal = keyof typeof EXIT_CODES;

/** How long a command that is stopped may take to clean up. What hangs by then, such as a disk that is gone, is left. */
const CLEANUP_MS = 3_000;

/** The command that a signal cancels; undefined while the program is loaded. */
let running: AbortController | undefined;
let stoppedBy: StopSignal | undefined;

/** The exit code for the signal that has stopped the command; undefined where none has. */
export function exitCodeOfSignal(): number | undefined {
  return stoppedBy === undefined ? undefined : EXIT_CODES[stoppedBy];
}

/** Listens to the signals from the first moment on: one that comes while the program is loaded ends it at once. */
export function listenToSignals(): void {
  for (const signal of Object.keys(EXIT_CODES)) process.on(signal, stop);
  // Ctrl-C reaches all processes of a terminal: a worker that prune has started leaves it to prune.
  if (process.connected) process.off('SIGINT', stop).on('SIGINT', () => undefined);
}

function stop(signal: StopSignal): void {
  if (stoppedBy !== undefined) {
    // The second one ends the process at once, as the system does by default.
    unlistenToSignals();
    process.kill(process.pid, signal);
    return;
  }
  // Listening goes on: libraries that listen, too, end the process where they find themselves alone.
  stoppedBy = signal;
  if (running !== undefined) {
    running.abort(new EsparseError('cancelled', `stopped by ${signal}`));
    return;
  }
  process.stderr.write(`stopped by ${signal}: nothing was begun\n`);
  process.exit(EXIT_CODES[signal]);
}

function unlistenToSignals(): void {
  for (const signal of Object.keys(EXIT_CODES)) process.off(signal, stop);
}

export interface CancellationOptions {
  /** How long the command may take to end once it is cancelled; then it is left as it is. @default CLEANUP_MS */
  readonly cleanupMs?: number;
}

/**
 * Runs a command so that Ctrl-C, SIGTERM and a reader that has gone (`| head`) cancel it: the signal aborts, and what
 * runs cleans up; a second one ends the process at once. Whatever fails because the command was cancelled, the command ends
 * as cancelled.
 *
 * @throws EsparseError 'cancelled' where it was cancelled and did not come to its end, else what `run` throws
 */
export async function withCancellation<T>(
  run: (signal: AbortSignal) => Promise<T>,
  { cleanupMs = CLEANUP_MS }: CancellationOptions = {},
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  running = controller;
  stoppedBy = undefined;
  const unlisten = onBrokenOutput(() => {
    controller.abort(new EsparseError('cancelled', 'the output cannot be written any more'));
  });
  const overdue = rejectionAfter(signal, cleanupMs);
  try {
    return await Promise.race([run(signal), overdue.rejection]);
  } catch (error) {
    const consequence = signal.aborted && !(isEsparseError(error) && error.kind === 'cancelled');
    throw consequence ? signal.reason : error;
  } finally {
    overdue.clear();
    unlisten();
    unlistenToSignals();
    running = undefined;
  }
}

/** Rejects some time after the signal has aborted, with its reason. */
function rejectionAfter(signal: AbortSignal, milliseconds: number) {
  let timer: NodeJS.Timeout | undefined;
  const rejection = new Promise<never>((_, reject) => {
    const begin = () => {
      timer = setTimeout(reject, milliseconds, signal.reason);
    };
    signal.addEventListener('abort', begin, { once: true });
  });
  return {
    rejection,
    clear() {
      clearTimeout(timer);
    },
  };
}

/** Resolves when the signal has aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      resolve();
    };
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}
