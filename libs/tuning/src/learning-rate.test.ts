import { learningRateAt } from './learning-rate.ts';

test('a rate is whole at its first step, half in the middle and nearly nothing at the last', () => {
  const [first, middle, last] = [1, 51, 100].map((step) => learningRateAt(step, 100, 2)) as [
    number,
    number,
    number,
  ];
  expect(first).toBe(2);
  expect(middle).toBeCloseTo(1, 12);
  expect(last).toBeLessThan(0.001);
});

test('with a warm-up it rises evenly to its whole at the step behind, and falls over those that are left', () => {
  const rates = Array.from({ length: 100 }, (_, i) => learningRateAt(i + 1, 100, 2, 4));
  expect(rates.slice(0, 5).map((rate) => rate.toFixed(6))).toEqual(
    [0.4, 0.8, 1.2, 1.6, 2].map((rate) => rate.toFixed(6)),
  );
  expect(rates.slice(4)).toEqual(Array.from({ length: 96 }, (_, i) => learningRateAt(i + 1, 96, 2)));
});
