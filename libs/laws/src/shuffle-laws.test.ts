import { shuffleLaws, type LawfulShuffle } from './index.ts';

type Order = (...args: Parameters<LawfulShuffle['order']>) => number[];

/** A shuffle of some order, which reports its kept scores times a factor. */
function shuffleOf(order: Order, factor = 1): LawfulShuffle {
  return {
    name: 'mine',
    order(matrix, pattern) {
      const permutation = Int32Array.from(order(matrix, pattern));
      const kept = (of: Int32Array) => {
        let sum = 0;
        for (let i = 0; i < matrix.rows * matrix.cols; i += pattern.group) {
          const row = i - (i % matrix.cols);
          const members = Array.from(
            { length: pattern.group },
            (_, g) => matrix.scores[row + of[(i % matrix.cols) + g]!]!,
          );
          members.sort((a, b) => b - a);
          for (const score of members.slice(0, pattern.keep)) sum += score;
        }
        return sum;
      };
      const keptBefore = kept(Int32Array.from({ length: matrix.cols }, (_, i) => i));
      return Promise.resolve({ permutation, keptBefore, keptAfter: factor * kept(permutation) });
    },
  };
}

const channels = (cols: number) => Array.from({ length: cols }, (_, i) => i);
const none: Order = ({ cols }) => channels(cols);
/** Deals the channels to the groups: a permutation that may well keep less. */
const dealt: Order = ({ cols }, { group }) =>
  channels(cols).map((i) => (i % group) * (cols / group) + Math.floor(i / group));

test('an order that is a permutation, ascending in each group, keeps the laws', async () => {
  await shuffleLaws(shuffleOf(none), { improves: true });
  await shuffleLaws(shuffleOf(dealt));
});

let calls = 0;

test.each<[string, LawfulShuffle, boolean]>([
  ['channels for', shuffleOf(({ cols }) => channels(cols - 1)), false],
  ['its order is no permutation', shuffleOf(({ cols }) => channels(cols).fill(0)), false],
  ['not ascending within the group', shuffleOf(({ cols }) => channels(cols).reverse()), false],
  ['it reports a kept score of', shuffleOf(dealt, 1.01), false],
  ['less than the', shuffleOf(dealt), true],
  [
    'the same scores give another order',
    shuffleOf((...args) => (calls++ % 2 === 0 ? none(...args) : dealt(...args))),
    false,
  ],
  [
    'the scores are changed',
    {
      name: 'mine',
      async order(matrix, pattern) {
        const result = await shuffleOf(none).order(matrix, pattern);
        matrix.scores.fill(0);
        return result;
      },
    },
    false,
  ],
])('a shuffle that breaks a law is refused: %s', async (law, shuffle, improves) => {
  await expect(shuffleLaws(shuffle, { improves })).rejects.toThrow(
    expect.objectContaining({ message: expect.stringMatching(new RegExp(`^shuffle mine: .*${law}`)) }),
  );
});
