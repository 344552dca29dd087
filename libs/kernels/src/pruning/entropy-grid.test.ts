import fc from 'fast-check';
import { exponentOf, LINEAR, magnitudeAt, NEAR_ZERO, orderOf, slotAt, SLOTS } from './entropy-grid.ts';

const SEED = 2;
const finite = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, min: -40, max: 40 }),
  fc.integer({ min: -5000, max: 5000 }),
);
const range = fc.tuple(finite, finite).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

test('a bin holds its value: from its edge nearer to zero to before the next', () => {
  fc.assert(
    fc.property(range, fc.nat(1000), ([min, max], part) => {
      const e = exponentOf(min, max);
      const x = Math.fround(min + (max - min) * (part / 1000));
      const order = orderOf(x, e);
      const fromZero = order < 0 ? ~order : order;
      expect(order < 0).toBe(x < 0);
      expect(magnitudeAt(fromZero) * 2 ** e).toBeLessThanOrEqual(Math.abs(x));
      expect(magnitudeAt(fromZero + 1) * 2 ** e).toBeGreaterThan(Math.abs(x));
    }),
    { seed: SEED },
  );
});

test('bins from the least to the greatest value have slots of their own', () => {
  fc.assert(
    fc.property(range, ([min, max]) => {
      const e = exponentOf(min, max);
      const slots = new Set<number>();
      const head = orderOf(min, e);
      const last = orderOf(max, e);
      for (let order = head; order <= last; order++) slots.add(slotAt(order));
      expect(slots.size).toBe(last - head + 1);
      for (const slot of slots) expect(slot >= 0 && slot < SLOTS).toBe(true);
    }),
    { seed: SEED, numRuns: 40 },
  );
});

test('a wider grid merges whole bins', () => {
  const orders = fc.integer({ min: 0, max: NEAR_ZERO + LINEAR });
  fc.assert(
    fc.property(orders, fc.integer({ min: 0, max: 20 }), (fromZero, wider) => {
      const near = magnitudeAt(fromZero);
      const far = magnitudeAt(fromZero + 1);
      const within = orderOf(near, wider);
      expect(magnitudeAt(within) * 2 ** wider).toBeLessThanOrEqual(near);
      expect(magnitudeAt(within + 1) * 2 ** wider).toBeGreaterThanOrEqual(far);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('a growing range never asks for a narrower bin, and the least that fits is taken', () => {
  fc.assert(
    fc.property(range, range, ([a, b], [c, d]) => {
      const joint = exponentOf(Math.min(a, c), Math.max(b, d));
      expect(joint).toBeGreaterThanOrEqual(exponentOf(a, b));
      expect(joint).toBeGreaterThanOrEqual(exponentOf(c, d));
    }),
    { seed: SEED },
  );
  expect(exponentOf(0, LINEAR)).toBe(1);
  expect(exponentOf(0, LINEAR - 1)).toBe(0);
  expect(exponentOf(1 - LINEAR / 2, LINEAR / 2 - 1)).toBe(0);
});
