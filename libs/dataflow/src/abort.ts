import { Observable, defer, takeUntil, throwError, type MonoTypeOperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';

/** Never emits a value; errors with `cancelled` once the signal aborts, at once where it already has. */
function aborted(signal: AbortSignal): Observable<never> {
  const error = () => new EsparseError('cancelled', 'cancelled', { cause: signal.reason });
  return defer(() => {
    if (signal.aborted) return throwError(error);
    return new Observable<never>((subscriber) => {
      const onAbort = () => {
        subscriber.error(error());
      };
      signal.addEventListener('abort', onAbort, { once: true });
      return () => {
        signal.removeEventListener('abort', onAbort);
      };
    });
  });
}

/** Ends the stream with a `cancelled` error when the signal aborts, unsubscribing from the source. */
export function abortWith<T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> {
  return (source$) => (signal === undefined ? source$ : source$.pipe(takeUntil(aborted(signal))));
}
