import { percent, percentOf } from './table.ts';

test('a share of nothing is no number, and is not shown as one', () => {
  expect(percentOf(9, 16)).toBe(percent(0.5625));
  expect(percentOf(0, 4)).toBe('0.00 %');
  expect(percentOf(0, 0)).toBe('-');
});
