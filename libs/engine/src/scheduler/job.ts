import type { TopLogprobs } from '../sampling/log-probabilities.ts';

/** How the next token is drawn. */
export interface Sampling {
  /** 0 takes the most likely token. */
  readonly temperature: number;
  /** Only the most likely tokens whose probabilities reach this sum; 1 for all. */
  readonly topP: number;
  /** Only so many of the most likely tokens; 0 for all. */
  readonly topK: number;
  /** Of this job's own generator: a text depends on nothing but its job. */
  readonly seed: number;
}

/** One text to generate. What it gives depends on this alone, never on what else runs. */
export interface Job {
  /** Unique in the life of the server. */
  readonly id: number;
  /** The loaded model that its prompt was tokenized for. */
  readonly model: number;
  readonly prompt: Uint32Array;
  /** Tokens to generate at most, 1 or more. */
  readonly maxTokens: number;
  /** Tokens that end the text; they are no part of it. */
  readonly endTokens: readonly number[];
  readonly sampling: Sampling;
  /** How many of the most likely tokens to tell beside the one drawn; undefined for no probabilities at all. */
  readonly logprobs: number | undefined;
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
