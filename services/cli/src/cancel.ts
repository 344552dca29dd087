import { EsparseError } from '@esparse/errors';

/**
 * Runs a command so that Ctrl-C and SIGTERM cancel it: what runs is told through the signal and cleans up; a second
 * signal ends the process at once.
 */
export async function withCancellation<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const cancel = () => {
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
