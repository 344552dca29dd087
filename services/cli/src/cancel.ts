import { EsparseError } from '@esparse/errors';

let stoppedBy: NodeJS.Signals | undefined;

/** The signal that has cancelled the command, if one has. */
export function cancelledBy(): NodeJS.Signals | undefined {
  return stoppedBy;
}

/**
 * Runs a command so that Ctrl-C and SIGTERM cancel it: what runs is told through the signal and cleans up; a second
 * signal ends the process at once.
 */
export async function withCancellation<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const cancel = (signal: NodeJS.Signals) => {
    stoppedBy = signal;
    controller.abort(new EsparseError('cancelled', 'cancelled'));
    process.off('SIGINT', cancel).off('SIGTERM', cancel);
  };
  process.on('SIGINT', cancel).on('SIGTERM', cancel);
  try {
    return await run(controller.signal);
  } finally {
    process.off('SIGINT', cancel).off('SIGTERM', cancel);
  }
}
