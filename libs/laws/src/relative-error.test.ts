import { relativeError } from './relative-error.ts';

test('the largest difference is measured by the largest value that was expected', () => {
  expect(relativeError([1, 2, -3], [1, 2.5, -5])).toBe(2 / 5);
  expect(relativeError([0, 0], [0, 0])).toBe(0);
});

test('NaN and a difference in length pass no tolerance', () => {
  expect(relativeError([1, NaN, 3], [1, 2, 3])).toBeNaN();
  expect(relativeError([1], [NaN])).toBeNaN();
  expect(relativeError([1, 2], [1, 2, 3])).toBe(Infinity);
  expect(relativeError([1], [0])).toBe(Infinity);
});
