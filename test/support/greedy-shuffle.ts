import type { Pattern, ScoreMatrix } from '@esparse/sparsity';

/** Channels of a block of the local shuffle. */
const BLOCK = 256;

/**
 * The local block shuffle in the plainest form, for comparison: in each block of 256 positions the best swap of two
 * channels of different groups, until no swap keeps more. Everything in f64, each candidate group sorted anew.
 *
 * @returns the kept score in the order found
 */
export function greedyToConvergence(matrix: ScoreMatrix, pattern: Pattern, permutation: Int32Array): number {
  let kept = 0;
  for (let first = 0; first < matrix.cols; first += BLOCK) {
    kept += searchBlock(matrix, pattern, [...permutation.subarray(first, first + BLOCK)]);
  }
  return kept;
}

function searchBlock(matrix: ScoreMatrix, { keep, group }: Pattern, order: number[]): number {
  const columns = order.map((channel) =>
    Float64Array.from({ length: matrix.rows }, (_, row) => matrix.scores[row * matrix.cols + channel]!),
  );
  const width = order.length;
  const at = order.map((_, slot) => slot);
  const membersOf = (g: number) => at.slice(g * group, (g + 1) * group);
  /** offered[p][b]: kept score of p's group with channel b in p's place. */
  const offered = Array.from({ length: width }, () => new Float64Array(width));
  const base = new Float64Array(width / group);
  const measure = (g: number) => {
    base[g] = keptScoreOf(
      membersOf(g).map((slot) => columns[slot]!),
      keep,
    );
    for (let p = g * group; p < (g + 1) * group; p++) {
      const others = membersOf(g).filter((slot) => slot !== at[p]);
      for (let b = 0; b < width; b++) {
        offered[p]![b] = others.includes(b)
          ? -Infinity
          : keptScoreOf(
              [...others, b].map((slot) => columns[slot]!),
              keep,
            );
      }
    }
  };
  for (let g = 0; g < base.length; g++) measure(g);
  for (;;) {
    let [best, p, q] = [0, -1, -1];
    for (let i = 0; i < width; i++) {
      for (let j = (Math.floor(i / group) + 1) * group; j < width; j++) {
        const before = base[Math.floor(i / group)]! + base[Math.floor(j / group)]!;
        const gain = offered[i]![at[j]!]! + offered[j]![at[i]!]! - before;
        if (gain > best) [best, p, q] = [gain, i, j];
      }
    }
    const total = base.reduce((sum, score) => sum + score, 0);
    // Below the rounding of the sums, a gain is none.
    if (p < 0 || best <= 1e-12 * total) return total;
    [at[p], at[q]] = [at[q]!, at[p]!];
    measure(Math.floor(p / group));
    measure(Math.floor(q / group));
  }
}

function keptScoreOf(columns: readonly Float64Array[], keep: number): number {
  const row = new Float64Array(columns.length);
  let sum = 0;
  for (let r = 0; r < columns[0]!.length; r++) {
    for (let c = 0; c < columns.length; c++) row[c] = columns[c]![r]!;
    row.sort();
    for (let c = columns.length - keep; c < columns.length; c++) sum += row[c]!;
  }
  return sum;
}
