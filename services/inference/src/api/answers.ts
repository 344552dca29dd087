import { randomBytes } from 'node:crypto';
import type { Generation } from '../generate/generation.ts';
import type { ServedModel } from '../model/served-model.ts';

/** The fields that every answer, and every chunk of one, begins with. */
export interface AnswerHead {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly model: string;
  /** The run that the text comes from. */
  readonly system_fingerprint: string;
}

export function answerHead(prefix: string, object: string, model: ServedModel): AnswerHead {
  return {
    id: `${prefix}-${randomBytes(12).toString('hex')}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: model.name,
    system_fingerprint: model.identity,
  };
}

export function usageOf({ promptTokens, completionTokens }: Generation) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** How one route writes its answers: whole, and in chunks. */
export interface AnswerFormat {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  /** A choice of a whole answer. */
  choice(index: number, text: string, logprobs: unknown, finish: string): object;
  /** A chunk before the text of a choice, in formats that have one. */
  opening?(index: number): object;
  /** A choice of a chunk. */
  delta(index: number, text: string, logprobs: unknown, finish: string | null): object;
  /** Probabilities of some tokens of a text. */
  logprobs(tokens: readonly SpelledToken[]): object;
}

/** A token of an answer, with its spelling. */
export interface SpelledToken {
  readonly bytes: Uint8Array;
  /** Null of the first token of a prompt: nothing stands before it. */
  readonly logprob: number | null;
  readonly offset: number;
  readonly top: readonly { readonly bytes: Uint8Array; readonly logprob: number }[];
}
