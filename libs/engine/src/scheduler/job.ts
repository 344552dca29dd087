import type { TopLogprobs } from '../sampling/log-probabilities.ts';
import type { SamplingParams } from '../sampling/params.ts';

/** One text to generate. What it gives depends on this alone, never on what else runs. */
export interface Job {
  /** Unique in the life of the scheduler. */
  readonly id: number;
  /** The loaded model that its prompt was tokenized for. */
  readonly model: number;
  readonly prompt: Uint32Array;
  /** Tokens to generate at most, 1 or more. */
  readonly maxTokens: number;
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
      /** Set on the last event of a job. */
      readonly finish?: FinishReason | undefined;
    }
  | { readonly job: number; readonly error: string };
