import { MAX_REPORTED, MAX_SAMPLED_VOCAB, type TokenChoice, hasPenalties } from '@esparse/cuda';
import type { SamplingParams } from '../../sampling/params.ts';
import type { BatchPart } from '../backend.ts';

/** What each sampling option is where a request gives none; a new option has to be known here, and to the kernels. */
const DEFAULTS = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
} as const satisfies Record<Exclude<keyof SamplingParams, 'seed' | 'logprobs'>, number>;

/** How the device chooses the token that follows a part, as the sequence's own sampler would. */
export function choiceOf(part: BatchPart): TokenChoice {
  const { sampling, sampler } = part.sequence;
  const given = Object.fromEntries(
    Object.entries(DEFAULTS).map(([name, value]) => [name, sampling[name as keyof typeof DEFAULTS] ?? value]),
  ) as Record<keyof typeof DEFAULTS, number>;
  return {
    ...given,
    random: sampler.random?.state() ?? [0, 0, 0, 0],
    reports: sampling.logprobs !== undefined,
    history: hasPenalties(given) ? part.sequence.history(part) : undefined,
  };
}

/** Whether the device chooses a part's token; else its logits go to the processor. */
export function choosesOnDevice(part: BatchPart, vocab: number): boolean {
  return (
    part.want === 'token' &&
    vocab <= MAX_SAMPLED_VOCAB &&
    (part.sequence.sampling.logprobs ?? 0) <= MAX_REPORTED
  );
}
