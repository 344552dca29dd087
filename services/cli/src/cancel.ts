import { EsparseError } from '@esparse/errors';
import { onBrokenPipe } from './broken-pipe.ts';

let stoppedBy: NodeJS.Signals | undefined;

/** The signal that has cancelled the command, if one has. */
export function cancelledBy(): NodeJS.Signals | undefined {
  return stoppedBy;
}

/**
 * Runs a command so that Ctrl-C, SIGTERM and a reader that has gone (`| head`) cancel it: the signal aborts, and what
 * runs cleans up; a second one ends the process at once.
 */
export async function withCancellation<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const cancel = (signal: NodeJS.Signals) => {
    stoppedBy = signal;
    controller.abort(new EsparseError('cancelled', 'cancelled'));
    process.off('SIGINT', cancel).off('SIGTERM', cancel);
  };
  process.on('SIGINT', cancel).on('SIGTERM', cancel);
  const unlisten = onBrokenPipe(() => {
    controller.abort(new EsparseError('cancelled', 'the reader of the output has gone'));
  });
  try {
    return await run(controller.signal);
  } finally {
    unlisten();
    process.off('SIGINT', cancel).off('SIGTERM', cancel);
  }
}
