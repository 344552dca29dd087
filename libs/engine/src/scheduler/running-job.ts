import type { SampledToken } from '../backends/backend.ts';
import type { Sequence } from '../paging/sequence.ts';
import type { Job, JobEvent } from './job.ts';

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
    return this.job.prompt.length - this.#prefilled;
  }

  /** What the next step appends: so many tokens of the prompt, or the last token that was generated. */
  nextTokens(share: number): Uint32Array {
    if (this.promptLeft === 0) return Uint32Array.of(this.#lastToken);
    return this.job.prompt.subarray(this.#prefilled, this.#prefilled + share);
  }

  /** Takes note of the tokens of a step that has succeeded; gives how many of them were the prompt's. */
  prefilled(tokens: Uint32Array): number {
    if (this.promptLeft === 0) return 0;
    this.#prefilled += tokens.length;
    return tokens.length;
  }

  /** Appends a token that was generated; says whether the text ends with it. */
  append({ token, logprobs }: SampledToken): Exclude<JobEvent, { error: string }> {
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
