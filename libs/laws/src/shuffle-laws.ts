import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { everyCase, must, type LawOptions } from './every-case.ts';
import type { LawPattern } from './linear-cases.ts';

/** What the laws need of a shuffle: any `Shuffle` of esparse is one. */
export interface LawfulShuffle {
  readonly name: string;
  order(
    scores: { readonly scores: Float32Array; readonly rows: number; readonly cols: number },
    pattern: LawPattern,
    signal?: AbortSignal,
  ): Promise<{
    readonly permutation: Int32Array;
    readonly keptBefore: number;
    readonly keptAfter: number;
  }>;
}

/** How a shuffle is tried, and what it promises. */
export interface ShuffleLawOptions extends LawOptions {
  /** Whether the shuffle promises to keep no less than the original order does. @default false */
  readonly improves?: boolean;
}

interface ShuffleCase {
  readonly pattern: LawPattern;
  readonly rows: number;
  readonly cols: number;
  readonly scores: readonly number[];
}

/** Kept scores are sums: another order of adding changes their last digits. */
const ROUNDING = 1e-9;

/**
 * Checks the laws of a shuffle on drawn scores: its order is a permutation, ascending within each group; the kept scores
 * that it reports are those of the original order and of its own; it depends on the scores alone, which stay as they were;
 * and, where it promises so, it never keeps less than before.
 *
 * @throws Error that names shuffle, law and the simplest scores found that break it
 */
export async function shuffleLaws(
  shuffle: LawfulShuffle,
  { improves = false, ...options }: ShuffleLawOptions = {},
): Promise<void> {
  const check = async ({ pattern, rows, cols, scores }: ShuffleCase) => {
    const matrix = { scores: Float32Array.from(scores), rows, cols };
    const { permutation, keptBefore, keptAfter } = await shuffle.order(matrix, pattern);
    must(permutation.length === cols, `an order of ${permutation.length} channels for ${cols}`);
    const sorted = permutation.slice().sort();
    const missing = sorted.findIndex((channel, i) => channel !== i);
    must(missing < 0, `its order is no permutation of ${cols} channels: ${String(permutation)}`);
    const unsorted = permutation.findIndex((c, i) => i % pattern.group > 0 && c < permutation[i - 1]!);
    must(unsorted < 0, `its order is not ascending within the group at ${unsorted}: ${String(permutation)}`);

    const original = Int32Array.from(sorted);
    const reported = (what: string, value: number, order: Int32Array) => {
      const kept = keptScore(scores, rows, order, pattern);
      const fits = Math.abs(value - kept) <= ROUNDING * Math.abs(kept);
      must(fits, `it reports a kept score of ${value} ${what}, where ${kept} is kept`);
    };
    reported('before', keptBefore, original);
    reported('after', keptAfter, permutation);
    if (improves) {
      const lost = keptBefore - keptAfter;
      must(lost <= ROUNDING * keptBefore, `it keeps ${keptAfter}, less than the ${keptBefore} before`);
    }

    must(isDeepStrictEqual([...matrix.scores], [...Float32Array.from(scores)]), 'the scores are changed');
    const again = await shuffle.order({ scores: Float32Array.from(scores), rows, cols }, pattern);
    must(isDeepStrictEqual([...again.permutation], [...permutation]), 'the same scores give another order');
  };
  await everyCase(`shuffle ${shuffle.name}`, CASES, check, (example) => fc.stringify(example), options);
}

/** Matrices of up to 5 rows and 6 groups, whose columns differ in scale, with equal scores among them. */
const CASES: fc.Arbitrary<ShuffleCase> = fc
  .record({
    pattern: fc.constantFrom({ keep: 2, group: 4 }, { keep: 4, group: 8 }, { keep: 1, group: 3 }),
    rows: fc.integer({ min: 1, max: 5 }),
    groups: fc.integer({ min: 1, max: 6 }),
  })
  .chain(({ pattern, rows, groups }) => {
    const cols = groups * pattern.group;
    const many = (arbitrary: fc.Arbitrary<number>, length: number) =>
      fc.array(arbitrary, { minLength: length, maxLength: length });
    return fc
      .record({
        scales: many(fc.integer({ min: 0, max: 6 }), cols),
        noise: many(fc.integer({ min: 0, max: 255 }), rows * cols),
      })
      .map(({ scales, noise }) => ({
        pattern,
        rows,
        cols,
        // Exact in f32, so that every way to add them up sees the same numbers.
        scores: noise.map((value, i) => value * 2 ** (scales[i % cols]! - 8)),
      }));
  });

/** The sum of the scores that an N:M mask keeps in an order, in f64: the definition, plainly. */
function keptScore(
  scores: readonly number[],
  rows: number,
  order: Int32Array,
  { keep, group }: LawPattern,
): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    for (let first = 0; first < order.length; first += group) {
      const members = [...order.subarray(first, first + group)].map((c) => scores[row * order.length + c]!);
      members.sort((a, b) => b - a);
      for (const score of members.slice(0, keep)) sum += score;
    }
  }
  return sum;
}
