import type { TopLogprobs } from '../sampling/log-probabilities.ts';
import type { SamplingParams } from '../sampling/params.ts';

/** One text to generate. What it gives depends on this alone, never on what else runs. */
export interface Job {
  /** Unique in the life of the scheduler. */
  readonly id: number;
  /** The loaded model that its prompt was tokenized for. */
  readonly model: number;
  readonly prompt: Uint32Array;
  /** Tokens to generate at most; 0 where nothing but the scores of the prompt is wanted. */
  readonly maxTokens: number;
  /**
   * Reports the log-probability of every token of the prompt but the first, as `sampling.logprobs` says. All of its positions
   * are computed. @default false
   */
  readonly scoresPrompt?: boolean | undefined;
  /** Tokens that end the text; they are no part of it. */
  readonly endTokens: readonly number[];
  readonly sampling: SamplingParams;
}

/** Why a text ended: a token of its own, or as many tokens as were asked for. */
export type FinishReason = 'stop' | 'length';

/** What happened to a job in one step. */
export type JobEvent =
  | {
      readonly job: number;
      /** Absent where the token is one that ends the text. */
      readonly token?: number;
      readonly logprob?: TopLogprobs | undefined;
      /** Of some more tokens of the prompt, in their order, from its second token on. */
      readonly prompt?: readonly TopLogprobs[] | undefined;
      /** Set on the last event of a job. */
      readonly finish?: FinishReason | undefined;
    }
  | { readonly job: number; readonly error: string };
