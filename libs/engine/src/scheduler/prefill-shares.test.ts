import fc from 'fast-check';
import { prefillShares } from './prefill-shares.ts';

test('shares are at most what each has, all of the budget where there is so much, and equal where it binds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 10 }),
      fc.nat(200),
      (remaining, budget) => {
        const given = prefillShares(remaining, budget);
        const sum = given.reduce((total, share) => total + share, 0);
        expect(sum).toBe(
          Math.min(
            budget,
            remaining.reduce((total, tokens) => total + tokens, 0),
          ),
        );
        const most = Math.max(0, ...given);
        given.forEach((share, i) => {
          expect(share).toBeLessThanOrEqual(remaining[i]!);
          if (share < remaining[i]!) expect(share).toBeGreaterThanOrEqual(most - 1);
        });
      },
    ),
    { seed: 3 },
  );
});
