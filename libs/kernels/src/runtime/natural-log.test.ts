import { naturalLog } from './natural-log.ts';

test('it is the logarithm to within two units in the last place', () => {
  for (let i = 1; i <= 20_000; i++) {
    const x = i / 20_000;
    expect(Math.abs(naturalLog(x) - Math.log(x))).toBeLessThanOrEqual(4.5e-16 * Math.abs(Math.log(x)));
  }
  for (const x of [2 ** -40, 1e-12, Math.SQRT2, Math.SQRT1_2, 3, 1e9]) {
    expect(Math.abs(naturalLog(x) / Math.log(x) - 1)).toBeLessThan(4.5e-16);
  }
  expect(naturalLog(1)).toBe(0);
});
