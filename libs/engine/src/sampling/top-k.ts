import { rankedTokens } from './candidates.ts';
import { requireUsable, type SamplingOption } from './sampling-option.ts';

/** Leaves so many of the most likely tokens. */
export const topK: SamplingOption = {
  request: { integer: true, min: -1, max: 2 ** 31 - 1, default: 0 },
  stage({ topK: k = 0 }) {
    requireUsable(Number.isInteger(k) && k >= -1, `a top-k of ${k}`);
    if (k <= 0) return undefined;
    return {
      filter({ weights, ranked: before }) {
        const ranked = (before ?? rankedTokens(weights, (tokens) => tokens >= k)).slice(0, k);
        return { weights, ranked, total: ranked.reduce((sum, token) => sum + weights[token]!, 0) };
      },
    };
  },
};
