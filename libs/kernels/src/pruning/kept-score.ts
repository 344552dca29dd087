import { addon } from '../addon.ts';
import { checkShuffledMatrix } from '../runtime/shuffled-matrix.ts';

/**
 * The sum of the scores that an N:M mask keeps: over rows and groups of `group` consecutive positions of
 * `permutation`, the `keep` largest. In f64, in a fixed order: within a group from the largest down, then the
 * groups of a row, then the rows.
 *
 * @param scores (rows, cols), free of NaN
 */
export async function keptScore(
  scores: Float32Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): Promise<number> {
  checkShuffledMatrix('scores', scores.length, rows, cols, permutation, keep, group);
  const native = addon();
  if (native === null) return keptScoreReference(scores, rows, cols, permutation, keep, group);
  return native.keptScore({ scores, rows, cols, permutation, keep, group });
}

/** The readable version of `keptScore`. */
export function keptScoreReference(
  scores: Float32Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
): number {
  let total = 0;
  const members = new Float32Array(group);
  for (let r = 0; r < rows; r++) {
    let rowSum = 0;
    for (let first = 0; first < cols; first += group) {
      for (let m = 0; m < group; m++) members[m] = scores[r * cols + permutation[first + m]!]!;
      members.sort(); // ascending
      let kept = 0;
      for (let s = 1; s <= keep; s++) kept += members[group - s]!;
      rowSum += kept;
    }
    total += rowSum;
  }
  return total;
}
