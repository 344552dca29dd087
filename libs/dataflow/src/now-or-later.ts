import { from, of, type Observable } from 'rxjs';

/** What is there already, or will be: small arrays are checked at once, large ones on other threads. */
export type NowOrLater<T> = T | Promise<T>;

/** Goes on with a value, at once where it is there. */
export function andThen<T, R>(value: NowOrLater<T>, next: (value: T) => NowOrLater<R>): NowOrLater<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** The value as a stream. */
export function streamOf<T>(value: NowOrLater<T>): Observable<T> {
  return value instanceof Promise ? from(value) : of(value);
}
