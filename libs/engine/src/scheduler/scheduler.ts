import type { TopLogprobs } from '../sampling/log-probabilities.ts';
import { EsparseError, messageOf } from '@esparse/errors';
import type { Job, JobEvent, Sampling } from './job.ts';
import { shares } from './shares.ts';

/** What the scheduler asks of an engine; see `Engine` in @esparse/engine. */
export interface StepEngine<S extends StepSequence = StepSequence> {
  reserve(tokens: number): S | undefined;
  step(
    parts: readonly { sequence: S; tokens: Uint32Array; logits: 'none' | 'last' | 'all' }[],
  ): readonly Float32Array[];
}

export interface StepSequence {
  release(): void;
}

/** Draws tokens for one job from its own generator. */
export interface Sampler {
  sample(logits: Float32Array): number;
}

export interface SchedulerDependencies<S extends StepSequence> {
  /** The engine of a loaded model. */
  engine(model: number): StepEngine<S>;
  sampler(sampling: Sampling): Sampler;
  logprob(logits: Float32Array, token: number, alternatives: number): TopLogprobs;
}

export interface SchedulerLimits {
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Prompt tokens of a step while nothing is being generated. */
  readonly promptTokens: number;
  /** Prompt tokens of a step while other sequences generate and wait for it. */
  readonly mixedPromptTokens: number;
}

/** What one step did. */
export interface StepResult {
  readonly events: readonly JobEvent[];
  /** Jobs that left the queue and run from this step on. */
  readonly started: readonly number[];
  /** Sequences in the step, and how many tokens of prompts it read. */
  readonly batch: number;
  readonly promptTokens: number;
}

/** One sequence in a step. */
interface Part<S extends StepSequence> {
  readonly running: Running<S>;
  readonly tokens: Uint32Array;
  /** Whether a token is drawn after these. */
  readonly wants: boolean;
}

interface Running<S extends StepSequence> {
  readonly job: Job;
  readonly sequence: S;
  readonly sampler: Sampler;
  /** Prompt tokens read so far. */
  read: number;
  generated: number;
  last: number;
}

/**
 * Continuous batching: jobs wait in one queue, are admitted in its order when there is a place and memory for all
 * that they may need, and leave as soon as they end. Every step gives each sequence that generates its next token,
 * and reads some of the prompts of the others. Nothing here waits: a step is a call, and between two steps jobs may
 * be added and cancelled.
 *
 * The queue is bounded by who submits (see `admission.ts`). A job at its head that does not fit yet keeps those
 * behind it waiting: else large jobs would wait for ever.
 */
export class Scheduler<S extends StepSequence> {
  readonly #dependencies: SchedulerDependencies<S>;
  readonly #limits: SchedulerLimits;
  readonly #queue = new Map<number, Job>();
  readonly #running = new Map<number, Running<S>>();

  constructor(dependencies: SchedulerDependencies<S>, limits: SchedulerLimits) {
    this.#dependencies = dependencies;
    this.#limits = limits;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#running.size;
  }

  get idle(): boolean {
    return this.#queue.size === 0 && this.#running.size === 0;
  }

  submit(job: Job): void {
    this.#queue.set(job.id, job);
  }

  /** Takes a job out, wherever it is; its place and its memory are free at once. */
  cancel(id: number): void {
    this.#queue.delete(id);
    this.#leave(id);
  }

  /** Admits what fits and runs every sequence once. */
  step(): StepResult {
    const events: JobEvent[] = [];
    const started = this.#admit(events);
    const batch = this.#running.size;
    const parts = this.#plan();
    let promptTokens = 0;
    for (const [model, ofModel] of byModel(parts)) {
      try {
        const logits = this.#dependencies.engine(model).step(
          ofModel.map(({ running: { sequence }, tokens, wants }) => ({
            sequence,
            tokens,
            logits: wants ? 'last' : 'none',
          })),
        );
        ofModel.forEach((part, i) => {
          if (part.running.read < part.running.job.prompt.length) {
            part.running.read += part.tokens.length;
            promptTokens += part.tokens.length;
          }
          if (part.wants) events.push(this.#draw(part.running, logits[i]!));
        });
      } catch (error) {
        // The engine's state after a failed step is unknown for all that took part.
        for (const { running } of ofModel) events.push(this.#fail(running.job.id, error));
      }
    }
    return { events, started, batch, promptTokens };
  }

  #admit(events: JobEvent[]): number[] {
    const started: number[] = [];
    for (const [id, job] of this.#queue) {
      if (this.#running.size >= this.#limits.maxSequences) break;
      try {
        const sampler = this.#dependencies.sampler(job.sampling);
        const sequence = this.#dependencies.engine(job.model).reserve(job.prompt.length + job.maxTokens);
        if (sequence === undefined) {
          if (this.#running.size > 0) break;
          throw new EsparseError('internal', 'a job that can never fit was queued');
        }
        this.#running.set(id, { job, sequence, sampler, read: 0, generated: 0, last: 0 });
        started.push(id);
      } catch (error) {
        events.push(this.#fail(id, error));
      }
      this.#queue.delete(id);
    }
    return started;
  }

  /** The tokens that each sequence takes in this step, and whether it draws a token after them. */
  #plan(): Part<S>[] {
    const all = [...this.#running.values()];
    const reading = all.filter(({ read, job }) => read < job.prompt.length);
    const { promptTokens, mixedPromptTokens } = this.#limits;
    const given = shares(
      reading.map(({ read, job }) => job.prompt.length - read),
      reading.length === all.length ? promptTokens : mixedPromptTokens,
    );
    const shareOf = new Map(reading.map((running, i) => [running, given[i]!]));
    return all.flatMap((running) => {
      const share = shareOf.get(running);
      if (share === undefined) return { running, tokens: Uint32Array.of(running.last), wants: true };
      const tokens = running.job.prompt.subarray(running.read, running.read + share);
      return share === 0
        ? []
        : { running, tokens, wants: running.read + share === running.job.prompt.length };
    });
  }

  /** Draws the next token of a sequence, which may end it. */
  #draw(running: Running<S>, logits: Float32Array): JobEvent {
    const { job, sampler } = running;
    try {
      const token = sampler.sample(logits);
      if (job.endTokens.includes(token)) {
        this.#leave(job.id);
        return { job: job.id, finish: 'stop' };
      }
      running.last = token;
      running.generated++;
      const logprob =
        job.logprobs === undefined ? undefined : this.#dependencies.logprob(logits, token, job.logprobs);
      const finish = running.generated === job.maxTokens ? 'length' : undefined;
      if (finish !== undefined) this.#leave(job.id);
      return { job: job.id, token, logprob, finish };
    } catch (error) {
      return this.#fail(job.id, error);
    }
  }

  #fail(id: number, error: unknown): JobEvent {
    this.#leave(id);
    return { job: id, error: messageOf(error) };
  }

  #leave(id: number): void {
    this.#running.get(id)?.sequence.release();
    this.#running.delete(id);
  }
}

/** One model's parts are one step of its engine; there are two models only while one replaces the other. */
function byModel<S extends StepSequence>(parts: readonly Part<S>[]): Map<number, Part<S>[]> {
  const groups = new Map<number, Part<S>[]>();
  for (const part of parts) {
    const { model } = part.running.job;
    const group = groups.get(model);
    if (group === undefined) groups.set(model, [part]);
    else group.push(part);
  }
  return groups;
}
