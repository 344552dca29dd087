import { concatMap, defer, from, map, mergeMap, of, type Observable, type OperatorFunction } from 'rxjs';

/** How values go through a chain together. */
export interface SeveralAtOnce<T> {
  /** So many are in the chain at a time. */
  readonly atOnce: number;
  /** The values in the order in which they enter the chain. @default as they are */
  readonly first?: readonly T[] | undefined;
  /** Whether results come in the order of the values, whichever is done first; else as they are done. @default true */
  readonly inOrder?: boolean | undefined;
}

/** Takes each value through a whole chain of operators, of which each gives one result; several values are in the chain at a time. */
export function severalAtOnce<T, R>(
  values: readonly T[],
  { atOnce, first = values, inOrder = true }: SeveralAtOnce<T>,
  chain: OperatorFunction<T, R>,
): Observable<R> {
  return defer(() => {
    const done = new Map<T, R>();
    let next = 0;
    return from(first).pipe(
      mergeMap(
        (value) =>
          of(value).pipe(
            chain,
            map((result) => ({ value, result })),
          ),
        atOnce,
      ),
      concatMap(({ value, result }) => {
        if (!inOrder) return [result];
        done.set(value, result);
        const ready: R[] = [];
        for (; next < values.length && done.has(values[next]!); next++) {
          ready.push(done.get(values[next]!)!);
          done.delete(values[next]!);
        }
        return ready;
      }),
    );
  });
}
