import { rankedTokens } from './candidates.ts';
import { requireUsable, type SamplingOption } from './sampling-option.ts';

/** Leaves the tokens that are at least so likely as this share of the most likely one (arXiv 2407.01082). */
export const minP: SamplingOption = {
  request: { min: 0, max: 1, default: 0 },
  stage({ minP: share = 0 }) {
    requireUsable(share >= 0 && share <= 1, `a min-p of ${share}`);
    if (share === 0) return undefined;
    return {
      filter({ weights, ranked: before }) {
        // The most likely token has the weight 1.
        let left = before;
        if (left === undefined) {
          const likely = weights.reduce((count, weight) => count + Number(weight >= share), 0);
          left = rankedTokens(weights, (tokens) => tokens >= likely);
        }
        const below = left.findIndex((token) => weights[token]! < share);
        const ranked = below < 0 ? left : left.slice(0, Math.max(1, below));
        return { weights, ranked, total: ranked.reduce((sum, token) => sum + weights[token]!, 0) };
      },
    };
  },
};
