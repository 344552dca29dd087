import type { Pattern } from '@esparse/sparsity';
import { notPositive } from './not-positive.ts';

/** Choices of a group at most: 4:8 has 70, and all of them are tried for every group of every row. */
export const MAX_CHOICES = 128;

/**
 * Every way to keep N of M, each as ascending places in the group.
 *
 * @returns undefined where there are more than `MAX_CHOICES`
 */
export function groupChoices({ keep, group }: Pattern): Int32Array[] | undefined {
  const choices: Int32Array[] = [];
  const places: number[] = [];
  const extend = (from: number): boolean => {
    if (places.length === keep) {
      choices.push(Int32Array.from(places));
      return choices.length <= MAX_CHOICES;
    }
    for (let place = from; place <= group - (keep - places.length); place++) {
      places.push(place);
      const few = extend(place + 1);
      places.pop();
      if (!few) return false;
    }
    return true;
  };
  return extend(0) ? choices : undefined;
}

/**
 * The inverse of the part of a matrix that a choice keeps, (keep, keep), by Gauss-Jordan elimination in f64.
 *
 * @param entry - of the symmetric, positive definite matrix of the group
 * @throws EsparseError 'numeric' where it is not positive
 */
export function choiceInverse(choice: Int32Array, entry: (a: number, b: number) => number): Float64Array {
  const n = choice.length;
  const left = Float64Array.from({ length: n * n }, (_, i) =>
    entry(choice[Math.floor(i / n)]!, choice[i % n]!),
  );
  const right = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  for (let k = 0; k < n; k++) {
    const pivot = left[k * n + k]!;
    // A positive definite matrix needs no search for pivots.
    if (!(pivot > 0 && pivot < Infinity)) throw notPositive();
    for (let j = 0; j < n; j++) {
      left[k * n + j] = left[k * n + j]! / pivot;
      right[k * n + j] = right[k * n + j]! / pivot;
    }
    for (let i = 0; i < n; i++) {
      const factor = left[i * n + k]!;
      if (i === k || factor === 0) continue;
      for (let j = 0; j < n; j++) {
        left[i * n + j] = left[i * n + j]! - factor * left[k * n + j]!;
        right[i * n + j] = right[i * n + j]! - factor * right[k * n + j]!;
      }
    }
  }
  return right;
}
