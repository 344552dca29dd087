import { concatMap, of, type OperatorFunction } from 'rxjs';

/**
 * Takes each value through a whole chain of operators before the next one enters it. Chained `concatMap`s would
 * each queue what the one before has ready; here one value is in the chain at a time, so the memory that the chain
 * needs is that of one value.
 */
export function oneByOne<T, R>(chain: OperatorFunction<T, R>): OperatorFunction<T, R> {
  return concatMap((value) => of(value).pipe(chain));
}
