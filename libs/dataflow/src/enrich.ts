import { concatMap, from, map, type ObservableInput, type OperatorFunction } from 'rxjs';

/**
 * Adds to each value the result of some work on it, one value after the other and in order. The work on a value begins
 * when that on the one before is done; an unsubscribed stream begins no more.
 */
export function enrich<T extends object, Added extends object>(
  work: (value: T) => ObservableInput<Added>,
): OperatorFunction<T, T & Added> {
  return concatMap((value) => from(work(value)).pipe(map((added) => ({ ...value, ...added }))));
}
