import { rankedTokens } from './candidates.ts';
import { requireUsable, type SamplingOption } from './sampling-option.ts';

/** Leaves the fewest of the most likely tokens that together have this share of the probability: nucleus sampling. */
export const topP: SamplingOption = {
  request: { above: 0, max: 1, default: 1 },
  stage({ topP: p = 1 }) {
    requireUsable(p > 0 && p <= 1, `a top-p of ${p}`);
    if (p === 1) return undefined;
    return {
      filter({ weights, ranked: before, total }) {
        const reach = p * total;
        // Sums in another order differ in their last bits: a hair more.
        const ranked = before ?? rankedTokens(weights, (_, sum) => sum >= reach * (1 + 1e-9));
        let count = 0;
        let sum = 0;
        while (count < ranked.length && (count === 0 || sum < reach)) sum += weights[ranked[count++]!]!;
        return { weights, ranked: ranked.slice(0, count), total: sum };
      },
    };
  },
};
