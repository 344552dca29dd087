import { minP } from './min-p.ts';
import { repetitionPenalty } from './repetition-penalty.ts';
import type { SamplingOption } from './sampling-option.ts';
import { frequencyPenalty, presencePenalty } from './token-penalties.ts';
import { topK } from './top-k.ts';
import { topP } from './top-p.ts';

/**
 * How the tokens of one sequence are chosen, and what is reported of them: the same type from the field of a request to
 * the sampler. What is left out does nothing.
 */
export interface SamplingParams {
  /** 0 takes the most likely token, 1 samples as the model says, more makes tokens more alike. @default 0 */
  readonly temperature?: number | undefined;
  /** Samples among so many of the most likely tokens; 0 and -1 mean all. @default 0 */
  readonly topK?: number | undefined;
  /** Samples among the fewest of the most likely tokens that together have this probability. @default 1, all */
  readonly topP?: number | undefined;
  /** Samples among the tokens that are at least so likely as this share of the most likely one. @default 0, all */
  readonly minP?: number | undefined;
  /** Makes tokens of the prompt and the text less likely (above 1), or more (below). @default 1 */
  readonly repetitionPenalty?: number | undefined;
  /** Taken from the logit of each token of the text, as often as it is there. @default 0 */
  readonly frequencyPenalty?: number | undefined;
  /** Taken from the logit of each token of the text, once. @default 0 */
  readonly presencePenalty?: number | undefined;
  /** The same model, prompt and seed give the same tokens. @default a random one */
  readonly seed?: number | undefined;
  /**
   * Reports the log-probability of each token, and those of so many of the most likely ones in its place: the model's
   * own, whatever the other fields say. @default none at all
   */
  readonly logprobs?: number | undefined;
}

/**
 * The options that a request gives as one number each, in the order in which they narrow the choice. A new one is a field
 * of `SamplingParams`, an entry here, and a file of its own for what it does; requests over HTTP have it by its entry.
 */
export const SAMPLING_OPTIONS = {
  temperature: { request: { min: 0, max: 2, default: 1 } },
  topK,
  topP,
  minP,
  repetitionPenalty,
  frequencyPenalty,
  presencePenalty,
} as const satisfies Record<Exclude<keyof SamplingParams, 'seed' | 'logprobs'>, SamplingOption>;
