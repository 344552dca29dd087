import { defer, finalize, tap, type OperatorFunction } from 'rxjs';

/** Called when an operator begins with a value; what it returns is called when the operator has given its result. */
export type WatchStep = () => () => void;

/** Passes values through an operator that takes one at a time, and tells when it works. */
export function watched<T, R>(operator: OperatorFunction<T, R>, watch?: WatchStep): OperatorFunction<T, R> {
  if (watch === undefined) return operator;
  return (values$) =>
    defer(() => {
      let end: () => void = () => undefined;
      return values$.pipe(
        tap(() => {
          end = once(watch());
        }),
        operator,
        tap(() => {
          end();
        }),
        finalize(() => {
          end();
        }),
      );
    });
}

function once(end: () => void): () => void {
  let ended = false;
  return () => {
    if (!ended) end();
    ended = true;
  };
}
