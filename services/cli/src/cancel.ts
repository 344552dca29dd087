import { EsparseError } from '@esparse/errors';
import { onBrokenPipe } from './broken-pipe.ts';

let stoppedBy: NodeJS.Signals | undefined;

/** The signal that has cancelled the command, if one has. */
export function cancelledBy(): NodeJS.Signals | undefined {
  return stoppedBy;
}

/**
 * Runs a command so that Ctrl-C, SIGTERM and a reader who has left (`| head`) cancel it: what runs is told through the signal
 * and cleans up; a second signal ends the process at once.
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
    controller.abort(new EsparseError('cancelled', 'nobody reads the output'));
  });
  try {
    return await run(controller.signal);
  } finally {
    unlisten();
    process.off('SIGINT', cancel).off('SIGTERM', cancel);
  }
}
