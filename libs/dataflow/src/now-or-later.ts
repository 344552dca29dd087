import { from, of, type Observable } from 'rxjs';

/** What is there already, or will be: small arrays are checked at once, large ones on other threads. */
export type NowOrLater<T> = T | Promise<T>;

/** Goes on with a value, at once where it is there. */
export function andThen<T, R>(value: NowOrLater<T>, next: (value: T) => NowOrLater<R>): NowOrLater<R> {
  return isLater(value) ? value.then(next) : next(value);
}

/** The value as a stream. */
export function streamOf<T>(value: NowOrLater<T>): Observable<T> {
  return isLater(value) ? from(value) : of(value);
}

/** By what it has: a promise of the addon's is none of the `Promise` of a context that tests run in. */
function isLater<T>(value: NowOrLater<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
