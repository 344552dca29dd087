import { histogram, medianOf, rangeOf } from './histogram.ts';

test('every value from the least to the greatest is in one bin', () => {
  expect(histogram([0, 1, 2, 3, 4], 0, 4, 4)).toEqual([1, 1, 1, 2]);
  expect(histogram([5, 5], 5, 5, 3)).toEqual([2, 0, 0]);
});

test('range and median of no values are no surprise', () => {
  expect(rangeOf([])).toEqual([0, 0]);
  expect(medianOf([])).toBeNaN();
  expect([medianOf([3, 1, 2]), medianOf([4, 1, 2, 3])]).toEqual([2, 2.5]);
});
