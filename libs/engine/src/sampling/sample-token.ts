import { toEsparseError } from '@esparse/errors';
import type { BatchPart, SampledToken, SamplingFailure } from '../backends/backend.ts';
import { topLogprobs } from './log-probabilities.ts';

/** Chooses the next token of a part by the sequence's own sampler, from the logits (vocab) after its last token. */
export function sampleToken(part: BatchPart, logits: Float32Array): SampledToken | SamplingFailure {
  const { sampler, sampling } = part.sequence;
  try {
    const token = sampler.sample(logits, part.sequence.history(part));
    const logprobs =
      sampling.logprobs === undefined ? undefined : topLogprobs(logits, token, sampling.logprobs);
    return { token, logprobs };
  } catch (error) {
    return { error: toEsparseError(error) };
  }
}
