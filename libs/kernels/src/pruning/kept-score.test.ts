import { keptScore } from './kept-score.ts';

const scores = Float32Array.of(1, 2, 3, 4, 8, 7, 6, 5);

test('the kept score adds the largest of each group in the order of the permutation', async () => {
  expect(await keptScore(scores, 2, 4, Int32Array.of(0, 1, 2, 3), 1, 2)).toBe(2 + 4 + 8 + 6);
  expect(await keptScore(scores, 2, 4, Int32Array.of(0, 2, 3, 1), 1, 2)).toBe(3 + 4 + 8 + 7);
  expect(await keptScore(scores, 2, 4, Int32Array.of(3, 2, 1, 0), 2, 4)).toBe(3 + 4 + 8 + 7);
});

test('what is no permutation, no pattern or no divisor is refused', async () => {
  const refused = { kind: 'usage' };
  const order = Int32Array.of(0, 1, 2, 3);
  await expect(keptScore(scores, 2, 4, Int32Array.of(0, 1, 2, 2), 1, 2)).rejects.toMatchObject(refused);
  await expect(keptScore(scores, 2, 4, Int32Array.of(0, 1, 2, 4), 1, 2)).rejects.toMatchObject(refused);
  await expect(keptScore(scores, 2, 4, Int32Array.of(0, 1, 2, -1), 1, 2)).rejects.toMatchObject(refused);
  await expect(keptScore(scores, 2, 4, order, 2, 2)).rejects.toMatchObject(refused);
  await expect(keptScore(scores, 2, 4, order, 1, 3)).rejects.toMatchObject(refused);
  await expect(keptScore(scores, 3, 4, order, 1, 2)).rejects.toMatchObject(refused);
});
