import { EsparseError } from '@esparse/errors';

/**
 * Runs native work that takes seconds: it looks at the flag that it is given, one integer, and ends soon once that is
 * not 0. The promise settles when the work has ended, so that nothing uses its arrays any more.
 *
 * @throws EsparseError 'cancelled' where `signal` has aborted by then
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  work: (cancel: Int32Array) => Promise<T>,
): Promise<T> {
  throwIfCancelled(signal);
  const cancel = new Int32Array(1);
  const raise = () => {
    Atomics.store(cancel, 0, 1);
  };
  signal?.addEventListener('abort', raise, { once: true });
  try {
    const result = await work(cancel);
    throwIfCancelled(signal);
    return result;
  } finally {
    signal?.removeEventListener('abort', raise);
  }
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new EsparseError('cancelled', 'cancelled', { cause: signal.reason });
}
