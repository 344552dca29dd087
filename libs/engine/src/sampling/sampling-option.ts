import { EsparseError } from '@esparse/errors';
import type { Candidates } from './candidates.ts';
import type { SamplingParams } from './params.ts';

/** A number that shapes how tokens are sampled. */
export interface SamplingOption {
  /** What a request to a service may give. */
  readonly request: NumberField;
  /**
   * What it does, for one sequence; `undefined` where the parameters ask for nothing of it.
   *
   * @throws EsparseError 'usage' for a value out of range
   */
  readonly stage?: (params: SamplingParams) => SamplingStage | undefined;
}

/** The values that a request may give for a number, and the one that holds where it gives none. */
export interface NumberField {
  /** Whole numbers only. @default false */
  readonly integer?: boolean;
  /** The smallest value. */
  readonly min?: number;
  /** Instead of `min`: values are larger than this. */
  readonly above?: number;
  /** The largest value. */
  readonly max: number;
  readonly default: number;
}

/** What one option does with the choice of a token: either, or both. */
export interface SamplingStage {
  /** Changes a copy of the logits, before the temperature and before any `filter`. */
  readonly processLogits?: LogitsProcessor;
  /** Leaves fewer tokens to sample from. */
  readonly filter?: (candidates: Candidates) => Candidates;
}

/** Changes logits (vocab) in place, knowing the tokens so far: penalties, biases, grammars. */
export type LogitsProcessor = (logits: Float32Array, history: TokenHistory) => void;

/** The tokens of a sequence so far. */
export interface TokenHistory {
  /** Prompt and generated tokens; valid until the token is chosen. */
  readonly tokens: Uint32Array;
  /** How many of them are the prompt. */
  readonly promptTokens: number;
}

/** @throws EsparseError 'usage' unless it holds; `what` is the value, such as 'a top-p of 7' */
export function requireUsable(holds: boolean, what: string): void {
  if (!holds) throw new EsparseError('usage', `${what} cannot be used for sampling`);
}
