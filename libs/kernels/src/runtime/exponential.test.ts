import { exponential } from './exponential.ts';

test('it is e^x to within 1e-15 of it', () => {
  let worst = 0;
  for (let i = 0; i <= 70_000; i++) {
    const x = -i / 100 - (i % 7) * 1e-9;
    worst = Math.max(worst, Math.abs(exponential(x) / Math.exp(x) - 1));
  }
  expect(worst).toBeLessThan(1e-15);
  expect(exponential(0)).toBe(1);
  expect(exponential(-0)).toBe(1);
});

test('far below 0 it stays above 0 and next to nothing, and NaN stays NaN', () => {
  for (const x of [-708, -1e4, -1e300, -Infinity]) {
    expect(exponential(x)).toBeGreaterThan(0);
    expect(exponential(x)).toBeLessThan(1e-300);
  }
  expect(exponential(NaN)).toBeNaN();
});
