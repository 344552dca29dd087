import type { SampledToken } from '../backends/backend.ts';
import type { Sequence } from '../paging/sequence.ts';
import { topLogprobs } from '../sampling/log-probabilities.ts';
import type { Job, JobEvent } from './job.ts';

/** What one step appends to the sequence of a job. */
export interface JobInput {
  readonly tokens: Uint32Array;
  readonly want: 'nothing' | 'allLogits' | 'token';
}

/** An event of a job that goes well. */
type GoodEvent = Exclude<JobEvent, { error: string }>;

/** A job that has left the queue: how far it has come. */
export class RunningJob {
  readonly job: Job;
  readonly sequence: Sequence;
  #prefilled = 0;
  #generated = 0;
  #lastToken = 0;

  constructor(job: Job, sequence: Sequence) {
    this.job = job;
    this.sequence = sequence;
  }

  /** Prompt tokens that are not in the cache yet; none once the sequence decodes. */
  get promptLeft(): number {
    return promptInputs(this.job) - this.#prefilled;
  }

  /** Whether the next tokens of the prompt are scored: logits after each of them are wanted. */
  get scores(): boolean {
    return this.#prefilled < scoredInputs(this.job);
  }

  /** What the next step appends: so many tokens of the prompt, or the last token that was generated. */
  next(share: number): JobInput {
    if (this.promptLeft === 0) return { tokens: Uint32Array.of(this.#lastToken), want: 'token' };
    const { prompt, maxTokens } = this.job;
    const end = this.#prefilled + share;
    // After the last token of a prompt nothing is scored: it is a part of its own, and a token is wanted.
    if (this.scores) {
      const tokens = prompt.subarray(this.#prefilled, Math.min(end, scoredInputs(this.job)));
      return { tokens, want: 'allLogits' };
    }
    const isLast = maxTokens > 0 && share === this.promptLeft;
    return { tokens: prompt.subarray(this.#prefilled, end), want: isLast ? 'token' : 'nothing' };
  }

  /** Takes note of the tokens of a step that has succeeded; gives how many of them were the prompt's. */
  prefilled(tokens: Uint32Array): number {
    if (this.promptLeft === 0) return 0;
    this.#prefilled += tokens.length;
    return tokens.length;
  }

  /**
   * Scores the tokens of the prompt that follow those of the step.
   *
   * @param logits (count x vocab) after each of the tokens that were just taken in
   * @throws EsparseError 'numeric' where logits are not numbers
   */
  score(count: number, logits: Float32Array): GoodEvent {
    const { id, prompt, maxTokens, sampling } = this.job;
    const vocab = logits.length / count;
    const first = this.#prefilled - count + 1;
    const scored = Array.from({ length: count }, (_, i) =>
      topLogprobs(logits.subarray(i * vocab, (i + 1) * vocab), prompt[first + i]!, sampling.logprobs ?? 0),
    );
    const ended = maxTokens === 0 && this.promptLeft === 0;
    return { job: id, prompt: scored, finish: ended ? 'length' : undefined };
  }

  /** Appends a token that was generated; says whether the text ends with it. */
  append({ token, logprobs }: SampledToken): GoodEvent {
    const { id, endTokens, maxTokens } = this.job;
    if (endTokens.includes(token)) return { job: id, finish: 'stop' };
    this.#lastToken = token;
    this.#generated++;
    return {
      job: id,
      token,
      logprob: logprobs,
      finish: this.#generated === maxTokens ? 'length' : undefined,
    };
  }
}

/** Tokens of the prompt that are read: nothing comes after its last one where nothing is generated. */
export function promptInputs(job: Job): number {
  return job.maxTokens > 0 ? job.prompt.length : scoredInputs(job);
}

function scoredInputs({ prompt, scoresPrompt = false }: Job): number {
  return scoresPrompt ? prompt.length - 1 : 0;
}
