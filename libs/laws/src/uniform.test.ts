import { uniform } from './uniform.ts';

test('numbers are the same for a seed, and lie in the range that was asked for', () => {
  const [a, b, other] = [uniform(7, -2, 3), uniform(7, -2, 3), uniform(9, -2, 3)];
  const all = Array.from({ length: 10_000 }, a);
  expect(Array.from({ length: 10_000 }, b)).toEqual(all);
  expect(other()).not.toBe(all[0]);
  expect(Math.min(...all)).toBeGreaterThanOrEqual(-2);
  expect(Math.max(...all)).toBeLessThan(3);
  expect(all.reduce((sum, x) => sum + x, 0) / all.length).toBeCloseTo(0.5, 1);
});
