import { concatMap, defer, from, map, mergeMap, of, type Observable, type OperatorFunction } from 'rxjs';

/**
 * Takes each value through a whole chain of operators, of which each gives one result; so many values are in the chain at a time. Results
 * come in the order of the values, whichever is done first.
 *
 * @param first - the values in the order in which they enter the chain @default as they are
 */
export function severalAtOnce<T, R>(
  values: readonly T[],
  { atOnce, first = values }: { readonly atOnce: number; readonly first?: readonly T[] | undefined },
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
