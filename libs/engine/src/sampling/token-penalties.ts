import { requireUsable, type SamplingOption, type TokenHistory } from './sampling-option.ts';

const REQUEST = { min: -2, max: 2, default: 0 };

/** Takes this from the logit of each token that was generated, as often as it was: OpenAI's frequency penalty. */
export const frequencyPenalty: SamplingOption = {
  request: REQUEST,
  stage: ({ frequencyPenalty: penalty = 0 }) =>
    stageOf('frequency penalty', penalty, (count) => penalty * count),
};

/** Takes this from the logit of each token that was generated, once: OpenAI's presence penalty. */
export const presencePenalty: SamplingOption = {
  request: REQUEST,
  stage: ({ presencePenalty: penalty = 0 }) => stageOf('presence penalty', penalty, () => penalty),
};

function stageOf(name: string, penalty: number, lessOf: (count: number) => number) {
  requireUsable(Number.isFinite(penalty), `a ${name} of ${penalty}`);
  if (penalty === 0) return undefined;
  return {
    processLogits(logits: Float32Array, { tokens, promptTokens }: TokenHistory) {
      const counts = new Map<number, number>();
      for (const token of tokens.subarray(promptTokens)) counts.set(token, (counts.get(token) ?? 0) + 1);
      for (const [token, count] of counts) logits[token] = logits[token]! - lessOf(count);
    },
  };
}
