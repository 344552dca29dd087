import { requireUsable, type SamplingOption } from './sampling-option.ts';

/** Divides the logits of all tokens so far, those of the prompt too, where they are above 0, and multiplies those below (arXiv 1909.05858). */
export const repetitionPenalty: SamplingOption = {
  // Far below, logits would be larger than any number of 32 bits.
  request: { min: 0.01, max: 2, default: 1 },
  stage({ repetitionPenalty: penalty = 1 }) {
    requireUsable(penalty > 0 && Number.isFinite(penalty), `a repetition penalty of ${penalty}`);
    if (penalty === 1) return undefined;
    return {
      processLogits(logits, { tokens }) {
        for (const token of new Set(tokens)) {
          const logit = logits[token]!;
          logits[token] = logit > 0 ? logit / penalty : logit * penalty;
        }
      },
    };
  },
};
