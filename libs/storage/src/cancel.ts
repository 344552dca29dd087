import { EsparseError, isEsparseError } from '@esparse/errors';

/** Throws a `cancelled` error where the signal has fired; an esparse error given as its reason is thrown as it is. */
export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted !== true) return;
  const reason: unknown = signal.reason;
  if (isEsparseError(reason)) throw reason;
  throw new EsparseError('cancelled', `cancelled: ${what}`, { cause: reason });
}
